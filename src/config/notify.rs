//! Where people are told what happens, as the settings name it.

use std::path::PathBuf;

use super::read::Values;
use crate::domain::money::Usd;
use crate::workers::notifier::address::WebhookUrl;
use crate::workers::notifier::quiet::QuietHours;
use crate::workers::notifier::template::Template;
use secrecy::ExposeSecret;

#[derive(Clone, Debug)]
pub struct NotifySettings {
    pub webhook: Webhook,
    pub template: Template,
    /// Vetoed orders of at least this notional.
    pub vetoes_above: Usd,
    pub quiet: Option<QuietHours>,
    pub per_minute: u32,
}

#[derive(Clone, Debug)]
pub enum Webhook {
    Url(WebhookUrl),
    File(PathBuf),
}

/// `None`: nobody is told.
pub(super) fn settings(values: &Values) -> Option<NotifySettings> {
    let url = values.secret("NOTIFY_WEBHOOK_URL").map(|url| WebhookUrl::new(url.expose_secret()));
    let url = url.map(|url| Webhook::Url(url.expect("Invariant: contradictions have looked at it")));
    Some(NotifySettings {
        webhook: url.or_else(|| values.path_if_any("NOTIFY_WEBHOOK_URL_PATH").map(Webhook::File))?,
        template: match values.word("NOTIFY_TEMPLATE") {
            Some("telegram") => Template::Telegram { chat_id: values.text("NOTIFY_TELEGRAM_CHAT_ID").unwrap_or_default() },
            Some("discord") => Template::Discord,
            _ => Template::Json,
        },
        vetoes_above: values.usd("NOTIFY_VETOES_ABOVE_USD"),
        quiet: values.text("NOTIFY_QUIET_HOURS").as_deref().and_then(QuietHours::parse),
        per_minute: values.count("NOTIFY_PER_MINUTE"),
    })
}

/// What can't be right together, each with its sentence.
pub(super) fn contradictions(values: &Values) -> Vec<String> {
    let mut found = Vec::new();
    let url = values.secret("NOTIFY_WEBHOOK_URL");
    if url.is_some() && values.path_if_any("NOTIFY_WEBHOOK_URL_PATH").is_some() {
        found.push("NOTIFY_WEBHOOK_URL and NOTIFY_WEBHOOK_URL_PATH are both set: leave one out".to_owned());
    }
    if let Some(Err(why)) = url.map(|url| WebhookUrl::new(url.expose_secret())) {
        found.push(format!("NOTIFY_WEBHOOK_URL {why}"));
    }
    let chat = values.text("NOTIFY_TELEGRAM_CHAT_ID");
    if values.word("NOTIFY_TEMPLATE") == Some("telegram") && chat.is_none() {
        found.push("NOTIFY_TEMPLATE = telegram needs NOTIFY_TELEGRAM_CHAT_ID: the chat that the bot writes to".to_owned());
    }
    if chat.is_some_and(|chat| !is_chat(&chat)) {
        found.push("NOTIFY_TELEGRAM_CHAT_ID is neither a number nor @channel".to_owned());
    }
    found
}

fn is_chat(text: &str) -> bool {
    let name = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    text.strip_prefix('@').map_or_else(|| text.parse::<i64>().is_ok(), name)
}
