//! Which team a text or a ticker means, and whether the two agree.

mod tables;

use tables::Team;

const LEAGUES: &[(&str, &[Team])] = &[("NBA", tables::NBA), ("NHL", tables::NHL), ("NFL", tables::NFL), ("MLB", tables::MLB)];

/// Sports without a table in which one side beats another. A kind of market that isn't here is no contest: its
/// exposures are summed, never set against each other.
const OTHER_CONTESTS: &str = "NCAA NCAAB NCAABB NCAAM NCAAMB NCAAW NCAAWB CBB NCAAF CFB WNBA NBL EUROLEAGUE CFL UFL AFL AHL KHL SHL KBO NPB \
    SOCCER FOOTBALL BASKETBALL BASEBALL HOCKEY MLS NWSL EPL UCL UEL LALIGA SERIEA BUNDESLIGA LIGUE1 LIGAMX UFC MMA BOXING TENNIS ATP WTA \
    CRICKET IPL RUGBY NRL ESPORTS CS2 LOL DOTA2 VALORANT";

fn teams(league: &str) -> Option<(&'static str, &'static [Team])> {
    LEAGUES.iter().find(|(name, _)| name.eq_ignore_ascii_case(league)).copied()
}

/// The team's code as Kalshi writes it. Takes a code, the full name, the nickname, or a city with one team in the
/// league, in any case and punctuation. `None`: another league, an unknown name, or a city of two teams.
pub fn team_code(league: &str, text: &str) -> Option<&'static str> {
    let (_, teams) = teams(league)?;
    let text = normal(text);
    let named = teams.iter().find(|team| team.has_code(&text)).or_else(|| teams.iter().find(|team| team.has_name(&text)));
    let of_city = || {
        let mut there = teams.iter().filter(|team| team.cities.iter().any(|city| normal(city) == text));
        there.next().filter(|_| there.next().is_none())
    };
    named.or_else(of_city).map(|team| team.code)
}

/// The canonical form of a code of this league, in any case.
pub fn is_team_code(league: &str, code: &str) -> Option<&'static str> {
    let (_, teams) = teams(league)?;
    teams.iter().find(|team| team.has_code(code)).map(|team| team.code)
}

impl Team {
    fn has_code(&self, code: &str) -> bool {
        self.code.eq_ignore_ascii_case(code) || self.other_codes.iter().any(|other| other.eq_ignore_ascii_case(code))
    }

    fn has_name(&self, text: &str) -> bool {
        let mut names = std::iter::once(&self.nickname).chain(self.other_names);
        names.any(|name| {
            let name = normal(name);
            text == name || self.cities.iter().any(|city| text == format!("{} {name}", normal(city)))
        })
    }
}

/// Upper case, letters and digits, single spaces: `St. Louis` is `ST LOUIS`.
fn normal(text: &str) -> String {
    let letters: String = text
        .chars()
        .filter(|c| !matches!(c, '.' | '\'' | '’'))
        .map(|c| match c {
            'é' | 'É' => 'E',
            c if c.is_alphanumeric() => c.to_ascii_uppercase(),
            _ => ' ',
        })
        .collect();
    letters.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The last segment of a ticker, without the digits at its end: the team whose win (or score) pays YES.
fn last_segment(ticker: &str) -> &str {
    let last = ticker.rsplit('-').next().unwrap_or("");
    last.trim_end_matches(|c: char| c.is_ascii_digit())
}

/// Says so when the ticker names another team of the league than the signal does (design §5): the last segment is a team,
/// isn't this one, and this one's code stands alone in no other segment.
pub fn ticker_mismatch(league: &str, team_text: &str, ticker: &str) -> Option<String> {
    let team = team_code(league, team_text)?;
    let named = is_team_code(league, last_segment(ticker))?;
    let stands_alone = || ticker.split('-').any(|segment| is_team_code(league, segment) == Some(team));
    (named != team && !stands_alone()).then(|| format!("the ticker names {named}, the signal's team is {team}"))
}

/// Whose win a market is about, as `NBA:POR`; `None` where the market isn't one side of a contest.
///
/// A ticker of a winner market decides by itself, so that one market never stands for two subjects. Spreads, totals and
/// awards (`…-PHX112`, `KXNBAMVP-…`) are no contests: two of them can come true together.
pub fn contest_subject(league: Option<&str>, team_text: Option<&str>, ticker: Option<&str>) -> Option<String> {
    match ticker.and_then(|ticker| Some((ticker, league_of(ticker)?))) {
        Some((ticker, league)) => winner(ticker, league),
        None => by_name(league?, team_text?),
    }
}

/// The league whose series a Kalshi ticker belongs to.
fn league_of(ticker: &str) -> Option<&'static str> {
    let series = ticker.split('-').next()?;
    let series = strip_prefix_any_case(series, "KX").unwrap_or(series);
    if series.eq_ignore_ascii_case("SB") {
        return Some("NFL");
    }
    ticker.contains('-').then(|| LEAGUES.iter().find(|(name, _)| strip_prefix_any_case(series, name).is_some()))?.map(|(name, _)| *name)
}

/// The subject of a game or championship; exactly one of an event's subjects wins.
fn winner(ticker: &str, league: &str) -> Option<String> {
    let series = ticker.split('-').next()?;
    let series = strip_prefix_any_case(series, "KX").unwrap_or(series);
    let rest = strip_prefix_any_case(series, league).unwrap_or(series).to_ascii_uppercase();
    let code = is_team_code(league, ticker.rsplit('-').next()?)?;
    matches!(rest.as_str(), "GAME" | "" | "SB").then(|| format!("{league}:{code}"))
}

fn by_name(league: &str, team_text: &str) -> Option<String> {
    if let Some((league, _)) = teams(league) {
        let team = team_code(league, team_text).map_or_else(|| normal(team_text), str::to_owned);
        return (!team.is_empty()).then(|| format!("{league}:{team}"));
    }
    let league = league.to_ascii_uppercase();
    let team = normal(team_text);
    (OTHER_CONTESTS.split_whitespace().any(|known| known == league) && !team.is_empty()).then(|| format!("{league}:{team}"))
}

fn strip_prefix_any_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_league_is_complete_and_every_name_means_one_team() {
        let sizes: Vec<_> = LEAGUES.iter().map(|(name, teams)| (*name, teams.len())).collect();
        assert_eq!(sizes, [("NBA", 30), ("NHL", 32), ("NFL", 32), ("MLB", 30)]);
        for (league, teams) in LEAGUES {
            for team in *teams {
                let full = team.cities.iter().map(|city| format!("{city} {}", team.nickname));
                let codes = std::iter::once(&team.code).chain(team.other_codes);
                let names = codes.chain(team.other_names).map(|name| (*name).to_owned());
                for name in full.chain(names).chain([team.nickname.to_owned()]) {
                    let claims = teams.iter().filter(|other| other.has_code(&name) || other.has_name(&normal(&name)));
                    assert_eq!(claims.map(|other| other.code).collect::<Vec<_>>(), [team.code], "{league} {name}");
                    assert_eq!(team_code(league, &name.to_lowercase()), Some(team.code), "{league} {name}");
                }
            }
        }
    }

    #[test]
    fn a_city_of_two_teams_names_none() {
        for (league, text) in
            [("NBA", "Los Angeles"), ("MLB", "New York"), ("NHL", "New York"), ("NFL", "New York"), ("MLB", "Chicago"), ("NBA", "")]
        {
            assert_eq!(team_code(league, text), None, "{league} {text}");
        }
        for (league, text, code) in
            [("NBA", "portland", "POR"), ("NHL", "Los Angeles", "LA"), ("NHL", "ST. LOUIS Blues", "STL"), ("NHL", "Montréal", "MTL")]
        {
            assert_eq!(team_code(league, text), Some(code), "{league} {text}");
        }
        assert_eq!((team_code("MLB", "Oakland A's"), team_code("NBA", "LA Lakers")), (Some("ATH"), Some("LAL")));
        assert_eq!((team_code("NCAAB", "Kentucky Wildcats"), team_code("NBA", "Boston Bruins")), (None, None));
    }

    #[test]
    fn codes_of_other_feeds_become_kalshis() {
        for (league, code, kalshi) in [
            ("NHL", "TBL", "TB"),
            ("nhl", "nsh", "NSH"),
            ("NFL", "JAX", "JAC"),
            ("MLB", "CHW", "CWS"),
            ("NBA", "GS", "GSW"),
            ("NBA", "PHO", "PHX"),
        ] {
            assert_eq!(is_team_code(league, code), Some(kalshi));
        }
        assert_eq!(is_team_code("NBA", "Blazers"), None);
    }

    #[test]
    fn only_a_ticker_that_names_another_team_alone_is_a_mismatch() {
        let fine = [
            ("NBA", "Portland Trail Blazers", "KXNBAGAME-26JAN27PORWAS-POR"),
            ("NHL", "Boston Bruins", "KXNHLGAME-26JAN27NSHBOS-BOS"),
            ("NFL", "Kansas City Chiefs", "KXNFL-25-KC-NYG"),
            ("NBA", "Phoenix Suns", "KXNBATEAMTOTAL-26JAN13PHXMIA-PHX112"),
            ("NHL", "Tampa Bay Lightning", "KXNHLGAME-26OCT01TBNYR-TBL"),
            ("NBA", "Nobody", "KXNBAGAME-26JAN27PORWAS-POR"),
            ("NBA", "Portland Trail Blazers", "KXNBAMVP-26-SGIL"),
            ("NBA", "Portland Trail Blazers", "KXBTCD-26JAN3117-T84749.99"),
            ("crypto:SOL", "SOL", "KXNBAGAME-26JAN27PORWAS-POR"),
        ];
        for (league, team, ticker) in fine {
            assert_eq!(ticker_mismatch(league, team, ticker), None, "{team} {ticker}");
        }
        let wrong = ticker_mismatch("NHL", "Nashville Predators", "KXNHLGAME-26JAN27NSHBOS-BOS").expect("row 24");
        assert_eq!(wrong, "the ticker names BOS, the signal's team is NSH");
        assert!(ticker_mismatch("NBA", "Miami Heat", "KXNBATEAMTOTAL-26JAN13PHXMIA-PHX112").is_some());
        assert!(ticker_mismatch("nba", "WIZARDS", "kxnbagame-26jan27porwas-por").is_some());
    }

    #[test]
    fn both_venues_name_a_team_the_same() {
        let subject = |league, team, ticker| contest_subject(Some(league), team, ticker);
        let blazers = Some("NBA:POR".to_owned());
        assert_eq!(subject("NBA", Some("Washington Wizards"), Some("KXNBAGAME-26JAN27PORWAS-POR")), blazers);
        assert_eq!(subject("nba", Some("portland"), None), blazers);
        assert_eq!(
            subject("NBA", Some("Trail Blazers"), Some("0xdf6b7fa7db0e453c5d91a4d0d71fca52a5455a7ea8d7c8981913981465bab291")),
            blazers
        );
        assert_eq!(contest_subject(None, None, Some("KXNBAGAME-26JAN27PORWAS-POR")), blazers);
        assert_eq!(subject("NFL", Some("Kansas City Chiefs"), Some("KXNFL-25-KC-NYG")), Some("NFL:NYG".to_owned()));
        assert_eq!(subject("NBA", Some("Test Team A"), None), Some("NBA:TEST TEAM A".to_owned()));
        assert_eq!(
            subject("NCAAB", Some("Kentucky Wildcats"), Some("KXNCAAMBGAME-26JAN03BCGT-BC")),
            Some("NCAAB:KENTUCKY WILDCATS".to_owned())
        );
    }

    #[test]
    fn what_can_come_true_together_is_no_contest() {
        let subject = |league, team, ticker| contest_subject(Some(league), Some(team), ticker);
        assert_eq!(subject("NBA", "Phoenix Suns", Some("KXNBATEAMTOTAL-26JAN13PHXMIA-PHX112")), None);
        assert_eq!(subject("NHL", "Vegas", Some("KXNHLSPREAD-26OCT04VGKVAN-VGK2")), None);
        assert_eq!(subject("NBA", "Oklahoma City Thunder", Some("KXNBAMVP-26-SGIL")), None);
        assert_eq!(subject("NBA", "Boston Celtics", Some("KXNBAPLAYOFF-26-BOS")), None);
        assert_eq!(subject("crypto:SOL", "SOL", None), None);
        assert_eq!(subject("politics", "Smith", None), None);
        assert_eq!((contest_subject(None, Some("Suns"), None), contest_subject(Some("NBA"), None, None)), (None, None));
        assert_eq!(subject("NBA", "...", None), None);
    }
}
