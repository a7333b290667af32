//! The webhook that people are told by: its address from a setting or a file, the worker beside an engine, one test message.

use std::sync::{Arc, Mutex, PoisonError};

use thiserror::Error;

use crate::cli::Exit;
use crate::cli::args::NotifyCommand;
use crate::clock::Clock;
use crate::config::{Config, Webhook};
use crate::domain::event::Recorded;
use crate::event_log::EventStore;
use crate::projections::Projections;
use crate::venues::key_file::{self, KeyFileError};
use crate::workers::notifier::address::WebhookUrl;
use crate::workers::notifier::channel::{Channel, Sent};
use crate::workers::notifier::day::Day;
use crate::workers::notifier::message::{Kind, Message};
use crate::workers::notifier::news::News;
use crate::workers::notifier::pacing::Rules;
use crate::workers::notifier::{Counts, Notifier, Watched};

/// An address has a few hundred characters.
const URL_BYTES_MAX: u64 = 4_096;

/// What is wrong with the address; of the settings, like its text.
#[derive(Debug, Error)]
pub enum WebhookError {
    #[error("NOTIFY_WEBHOOK_URL_PATH: {0}")]
    File(#[from] KeyFileError),
    #[error("NOTIFY_WEBHOOK_URL_PATH: what the file holds {0}")]
    Address(&'static str),
}

/// What the notifier needs from before its session.
pub struct Memory {
    pub channel: Channel,
    pub book: Projections,
    pub day: Arc<Mutex<Day>>,
}

/// Counts a day's records while the log is opened.
pub fn counting(day: &Arc<Mutex<Day>>) -> impl FnMut(&Recorded) + Send + 'static {
    let day = Arc::clone(day);
    move |record| day.lock().unwrap_or_else(PoisonError::into_inner).count(&record.event)
}

/// The webhook, where one is named. Errors: its address can't be used.
pub fn channel(config: &Config) -> anyhow::Result<Option<Channel>> {
    let Some(settings) = &config.notify else { return Ok(None) };
    let url = match &settings.webhook {
        Webhook::Url(url) => url.clone(),
        Webhook::File(path) => from_file(path)?,
    };
    Ok(Some(Channel::new(url, settings.template.clone(), config.mode, config.instance.clone())?))
}

fn from_file(path: &std::path::Path) -> Result<WebhookUrl, WebhookError> {
    let bytes = key_file::read(path, URL_BYTES_MAX)?;
    let text = std::str::from_utf8(&bytes).map_err(|_| WebhookError::Address("is no text"))?;
    WebhookUrl::new(text).map_err(WebhookError::Address)
}

/// The worker, to be run beside an engine.
pub fn worker(
    config: &Config,
    log: &Arc<dyn EventStore>,
    clock: &Clock,
    memory: Memory,
    counts: &Arc<Counts>,
    watched: Watched,
) -> Notifier {
    let settings = config.notify.as_ref().expect("Invariant: a channel comes from these settings");
    let day = memory.day.lock().unwrap_or_else(PoisonError::into_inner).clone();
    Notifier {
        log: Arc::clone(log),
        clock: clock.clone(),
        news: News::new(config.mode, settings.vetoes_above, memory.book, day),
        rules: Rules { per_minute: settings.per_minute, quiet: settings.quiet, offset_minutes: config.limits.day_offset_minutes },
        channel: memory.channel,
        counts: Arc::clone(counts),
        watched,
    }
}

pub async fn run(config: &Config, command: &NotifyCommand) -> anyhow::Result<Exit> {
    let NotifyCommand::Test = command;
    let Some(channel) = channel(config)? else {
        eprintln!("arbees: neither NOTIFY_WEBHOOK_URL nor NOTIFY_WEBHOOK_URL_PATH is set: there is nobody to tell");
        return Ok(Exit::Usage);
    };
    let at = Clock::system().now().wall;
    let text = format!("{} test of the notifications of instance {}", config.mode.tag(), config.instance);
    let message = Message { kind: Kind::Test, critical: false, text, key: String::new(), ends: None, seq: 0, at };
    match channel.send(&message).await {
        Sent::Delivered(answer) => {
            println!("delivered; the other side answered {answer}");
            Ok(Exit::Good)
        }
        Sent::Later { why, .. } | Sent::Refused(why) => {
            eprintln!("arbees: not delivered: {why}");
            Ok(Exit::Failed)
        }
    }
}
