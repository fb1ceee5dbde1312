//! Filter lists in, one list out: at once, in batches, told while it happens, or later.

mod batch;
mod queued;
mod request;
mod socket;
mod stream;
mod warm;
pub mod work;

use compiler::{Compilation, Configuration, ConfigurationDraft, SourceDraft, Stamp};

use self::request::CompileRequest;
use crate::admission::Admitted;
use crate::app::App;
use crate::body;
use crate::error::{ApiError, ApiResult};
use crate::turnstile;

pub use batch::compile_batch;
pub use queued::{queue_batch, queue_list};
pub use socket::open_socket;
pub use stream::{compile_stream, frame};
pub use warm::warm_lists;

/// `POST /compile`: compiles the sources of a configuration into one list.
///
/// Fails: 400 a body that is no JSON, has the wrong shape, or names a source the service does not fetch;
/// 403 no good Turnstile token while Turnstile is on; 413 a body over the bound; 500 a source that can't be had or is broken.
pub async fn compile_list(app: App, admitted: Admitted) -> ApiResult {
    let asked = read(&app, &admitted).await?;
    let own_host = admitted.request.own_host()?;
    work::run(&app, own_host, asked, false, None).await?.into_reply()
}

/// What is asked for, by whom Turnstile takes for a person.
async fn read(app: &App, admitted: &Admitted) -> Result<CompileRequest, ApiError> {
    let Admitted { request, caller, .. } = admitted;
    let bytes = body::read(request, app.config.max_body_bytes).await?;
    let asked = CompileRequest::parse(&bytes)?;
    drop(bytes);
    turnstile::check(app, request, caller, asked.turnstile_token.as_deref()).await?;
    Ok(asked)
}

/// Whether the engine makes of one rule what it should.
pub fn compiles_one_rule() -> bool {
    let draft = ConfigurationDraft {
        name: "probe".to_owned(),
        sources: vec![SourceDraft { source: "probe".to_owned(), ..SourceDraft::default() }],
        ..ConfigurationDraft::default()
    };
    let Ok(configuration) = Configuration::validate(draft) else { return false };
    let mut compilation = Compilation::new(configuration);
    for wanted in compilation.wanted() {
        if compilation.supply(wanted.id, "||example.org^".to_owned()).is_err() {
            return false;
        }
    }
    let stamp = Stamp { compiler: "probe".to_owned(), last_modified_ms: 0 };
    compilation.finish(&stamp).is_ok_and(|compiled| compiled.body().last() == Some("||example.org^"))
}
