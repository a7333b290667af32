//! Settings: an `.env` of any text is a configuration or a list of problems; what is in force is a setting of the table, and says the same
//! again when it is written back.

use std::path::Path;

use arbees::config::{EnvFile, Variables, from_sources};

pub fn check(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let path = Path::new(".env");
    match from_sources(&Variables::new(), Some(&EnvFile { path, text })) {
        Ok(config) => {
            // What came from the file, written back by name, means the same.
            let given = config.effective.iter().filter(|line| line.source.to_string() != "default");
            let mut shown: Variables = given.filter_map(|line| Some((line.name.to_owned(), line.value.clone()?))).collect();
            // A secret is shown as set, which is no address.
            shown.entry("NOTIFY_WEBHOOK_URL".to_owned()).and_modify(|url| *url = "https://h/x".to_owned());
            let hidden = shown.values().any(|value| value.contains('*'));
            if !hidden {
                let again = from_sources(&shown, None).unwrap_or_else(|error| panic!("{shown:?}: {error}"));
                assert_eq!(again.config_hash(), config.config_hash(), "{shown:?}");
            }
        }
        Err(error) => {
            assert!(!error.problems.is_empty(), "a refusal names what is wrong");
            assert!(error.problems.iter().all(|problem| !problem.to_string().is_empty()));
        }
    }
}
