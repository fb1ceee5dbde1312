//! Filter lists in, one list out: at once, in batches, or told while it happens.

mod batch;
mod request;
mod stream;
mod work;

use compiler::{Compilation, Configuration, ConfigurationDraft, SourceDraft, Stamp};

use self::request::CompileRequest;
use self::work::Work;
use crate::admission::Admitted;
use crate::app::App;
use crate::body;
use crate::error::ApiResult;
use crate::reply::Reply;
use crate::turnstile;

pub use batch::compile_batch;
pub use stream::compile_stream;

/// `POST /compile`: compiles the sources of a configuration into one list.
///
/// Fails: 400 a body that is no JSON, has the wrong shape, or names a source the service does not fetch;
/// 403 no good Turnstile token while Turnstile is on; 413 a body over the bound; 500 a source that can't be had or is broken.
pub async fn compile_list(app: App, admitted: Admitted) -> ApiResult {
    let Admitted { request, caller, .. } = admitted;
    let bytes = body::read(&request, app.config.max_body_bytes).await?;
    let asked = CompileRequest::parse(&bytes)?;
    drop(bytes);
    turnstile::check(&app, &request, &caller, asked.turnstile_token.as_deref()).await?;
    let work = Work::new(&app, &request, asked)?;
    let (list, compiled) = work.run(&app, None).await?;
    Ok(Reply::list(&list, compiled)?.with_header("X-Cache", "MISS"))
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
