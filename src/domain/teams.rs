pub fn ticker_mismatch(_l: &str, _t: &str, _k: &str) -> Option<String> {
    None
}
pub fn contest_subject(_l: Option<&str>, _t: Option<&str>, _k: Option<&str>) -> Option<String> {
    None
}
