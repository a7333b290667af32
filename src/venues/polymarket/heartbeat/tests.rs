use super::super::scripted::{Answer, Rig};
use super::*;
use crate::domain::report::VenueMode;

fn accepted(next: &str) -> Answer {
    ("POST", "/v1/heartbeats", 200, format!(r#"{{"heartbeat_id":"{next}"}}"#))
}

fn beats(rig: &Rig) -> Beats {
    let client = Arc::clone(rig.venue.client());
    let held_at = client.clock().now().mono;
    Beats { client, settings: HeartbeatSettings::default(), id: String::new(), held_at }
}

#[tokio::test]
async fn each_beat_carries_the_id_of_the_one_before() {
    let mut rig = Rig::new(vec![accepted("a"), accepted("b")]).await;
    let mut beats = beats(&rig);
    assert!(beats.beat().await && beats.beat().await);
    let bodies: Vec<String> = rig.asked().into_iter().map(|asked| asked.body).collect();
    assert_eq!(bodies, [r#"{"heartbeat_id":""}"#, r#"{"heartbeat_id":"a"}"#]);
    assert_eq!(beats.id, "b");
}

#[tokio::test]
async fn a_beat_with_the_wrong_id_is_sent_again_at_once_with_the_right_one() {
    let wrong = ("POST", "/v1/heartbeats", 400, r#"{"error_msg":"Invalid Heartbeat ID","heartbeat_id":"x"}"#.to_owned());
    let mut rig = Rig::new(vec![wrong, accepted("y")]).await;
    let mut beats = beats(&rig);
    assert!(beats.beat().await);
    assert_eq!(rig.asked()[1].body, r#"{"heartbeat_id":"x"}"#);
    assert_eq!(beats.id, "y");
}

#[tokio::test]
async fn s117_without_a_beat_nothing_opens_and_then_the_account_is_read_first() {
    let failed = || ("POST", "/v1/heartbeats", 500, "{}".to_owned());
    let rig = Rig::new(vec![failed(), failed(), accepted("a")]).await;
    rig.venue.client().standing().reconciled(0);
    let mut beats = beats(&rig);
    assert!(!beats.beat().await);
    assert_eq!(rig.mode(), VenueMode::Open, "the venue waits for ten seconds");
    rig.hand.advance_ms(8_001);
    assert!(!beats.beat().await);
    assert_eq!(rig.mode(), VenueMode::CancelOnly);
    assert!(beats.beat().await);
    assert_eq!(rig.mode(), VenueMode::Reconciling);
}
