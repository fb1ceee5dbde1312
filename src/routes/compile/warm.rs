//! Keeps the lists that everybody wants at hand, so that nobody waits for them.

use durable::artifact::name_of;
use durable::artifact::wire::{Line, Produce, Recipe};
use serde_json::{Value, json};
use worker::console_error;

use super::work::of_compiler;
use crate::app::App;
use crate::error::ApiError;

/// A list of this age in milliseconds is made anew. It is answered with for an hour, and the schedule comes every five
/// minutes, so no list is over before the next one is there.
const OLD_MS: u64 = 50 * 60_000;

/// Has every list of `CACHE_WARM_CONFIGURATIONS` made that is not there or will soon be over. The schedule calls it.
/// One that can't be had is logged and does not harm the others.
///
/// # Errors
/// Never as a whole.
pub async fn warm_lists(app: &App) -> Result<(), ApiError> {
    for configuration in &app.config.warm_configurations {
        if let Err(error) = warm(app, configuration).await {
            let (name, code) = (&configuration["name"], error.code());
            console_error!(
                "{}",
                json!({ "level": "error", "what": "a list that is kept at hand", "name": name, "code": code })
            );
        }
    }
    Ok(())
}

async fn warm(app: &App, configuration: &Value) -> Result<(), ApiError> {
    let made_at = produce(app, configuration, false).await?;
    if made_at.saturating_add(OLD_MS) < app.now.0 {
        produce(app, configuration, true).await?;
    }
    Ok(())
}

/// When the list was made.
async fn produce(app: &App, configuration: &Value, fresh: bool) -> Result<u64, ApiError> {
    let recipe = Recipe { configuration: configuration.clone(), texts: Default::default(), report: false };
    let name = name_of(&recipe).map_err(|error| ApiError::Internal { cause: error.to_string() })?;
    let settings = app.settings(None);
    let produce = Produce { recipe, fresh, tell: false, keep_ms: 0, settings };
    let mut feed = app.artifacts()?.produce(&name, produce).await.map_err(of_compiler)?;
    loop {
        match feed.line::<Line>().await.map_err(of_compiler)? {
            Line::Event(..) => {}
            Line::Made(made) => return Ok(made.compiled_at),
            Line::Failed(failure) => return Err(failure.into()),
            Line::Gone => return Err(ApiError::Internal { cause: "a new list is gone".to_owned() }),
        }
    }
}
