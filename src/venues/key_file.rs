//! Files that hold a secret: read only while nobody but their owner can read them, written so that nobody else ever could.

use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use secrecy::zeroize::Zeroizing;
use thiserror::Error;

/// Each in one line, with what to do about it; none repeats a byte of the file.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum KeyFileError {
    #[error("file {path}: there is no such file")]
    Missing { path: PathBuf },
    #[error("file {path}: cannot be read: {why}")]
    Unreadable { path: PathBuf, why: String },
    #[error("file {path}: cannot be written: {why}")]
    Unwritable { path: PathBuf, why: String },
    #[error("file {path}: others than its owner can read it (mode {mode:04o}); run: chmod 600 {path}")]
    Exposed { path: PathBuf, mode: u32 },
}

/// At most `bytes_max` of the file; what lies beyond can't belong to a key.
pub fn read(path: &Path, bytes_max: u64) -> Result<Zeroizing<Vec<u8>>, KeyFileError> {
    let unreadable = |why: String| KeyFileError::Unreadable { path: path.to_owned(), why };
    let file = std::fs::File::open(path).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => KeyFileError::Missing { path: path.to_owned() },
        _ => unreadable(error.to_string()),
    })?;
    let about = file.metadata().map_err(|error| unreadable(error.to_string()))?;
    if !about.is_file() {
        return Err(unreadable("not a file".to_owned()));
    }
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::MetadataExt::mode(&about) & 0o7777;
        if mode & 0o077 != 0 && !is_credential(&about) {
            return Err(KeyFileError::Exposed { path: path.to_owned(), mode });
        }
    }
    // Room for all of it at once: a buffer that grows leaves copies behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(usize::try_from(about.len().min(bytes_max)).unwrap_or(0) + 1));
    file.take(bytes_max).read_to_end(&mut bytes).map_err(|error| unreadable(error.to_string()))?;
    Ok(bytes)
}

/// How systemd hands a file to its service where the file system knows access lists (systemd 255 on): root's own, with the list's mask
/// in the place of the group's bits.
#[cfg(unix)]
fn is_credential(about: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt;
    (about.uid(), about.gid(), about.mode() & 0o7777) == (0, 0, 0o440)
}

/// Whole or not at all: written beside the file with mode 0600 from the start, then renamed over it.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), KeyFileError> {
    let unwritable = |error: std::io::Error| KeyFileError::Unwritable { path: path.to_owned(), why: error.to_string() };
    let mut fresh = path.as_os_str().to_owned();
    fresh.push(format!(".{}.new", std::process::id()));
    let fresh = PathBuf::from(fresh);
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    if let Some(folder) = path.parent() {
        std::fs::create_dir_all(folder).map_err(unwritable)?;
    }
    // Left over from a process of the same number that died half-way.
    let _ = std::fs::remove_file(&fresh);
    let mut file = options.open(&fresh).map_err(unwritable)?;
    let written = file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| std::fs::rename(&fresh, path));
    written.map_err(|error| {
        let _ = std::fs::remove_file(&fresh);
        unwritable(error)
    })
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_is_written_can_be_read_by_its_owner_only() {
        let folder = std::env::temp_dir().join(format!("arbees-key-file-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("folder");
        let path = folder.join("secret");
        assert_eq!(read(&path, 10).expect_err("missing"), KeyFileError::Missing { path: path.clone() });
        for text in [b"first".as_slice(), b"second"] {
            write(&path, text).expect("written");
            assert_eq!(read(&path, 10).expect("read").as_slice(), text);
            assert_eq!(std::fs::metadata(&path).expect("file").permissions().mode() & 0o7777, 0o600);
        }
        assert_eq!(read(&path, 3).expect("read").as_slice(), b"sec");
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("mode");
        assert_eq!(read(&path, 10).expect_err("open"), KeyFileError::Exposed { path: path.clone(), mode: 0o644 });
        // As systemd shows a credential to its service; of anybody but root it is an open file.
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o440)).expect("mode");
        let about = std::fs::metadata(&path).expect("file");
        let of_root = (std::os::unix::fs::MetadataExt::uid(&about), std::os::unix::fs::MetadataExt::gid(&about)) == (0, 0);
        assert_eq!(read(&path, 10).is_ok(), of_root);
        assert!(matches!(read(&folder, 10), Err(KeyFileError::Unreadable { .. })));
        assert!(matches!(write(&path.join("none/secret"), b"x"), Err(KeyFileError::Unwritable { .. })), "below a file");
        assert_eq!(std::fs::read_dir(&folder).expect("folder").count(), 1, "nothing is left lying about");
        std::fs::remove_dir_all(&folder).expect("clean");
    }
}
