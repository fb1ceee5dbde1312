//! What a handler works with: bindings, configuration and the time, built once per event.

use std::cell::OnceCell;
use std::rc::Rc;

use durable::artifact::ArtifactStub;
use durable::artifact::wire::Settings;
use durable::compile_job::CompileJobStub;
use durable::identity::IdentityStub;
use durable::live_registry::RegistryStub;
use durable::service_metrics::MetricsStub;
use durable::source_host::SourceHostStub;
use limits::UnixMillis;
use worker::{AnalyticsEngineDataset, Context, D1Database, Env, Fetcher, Hyperdrive, Queue, js_sys};

use crate::bindings;
use crate::config::{Config, ConfigError};

thread_local! {
    /// The configuration can't change while an isolate lives.
    static CONFIG: OnceCell<Result<Rc<Config>, ConfigError>> = const { OnceCell::new() };
    /// Neither can the binding that every request needs.
    static IDENTITIES: OnceCell<Rc<IdentityStub>> = const { OnceCell::new() };
}

/// Bindings, configuration and the time of one event.
#[derive(Clone)]
pub struct App {
    env: Env,
    /// None for the schedule and the queues.
    context: Option<Rc<Context>>,
    /// The configuration.
    pub config: Rc<Config>,
    /// When the event arrived.
    pub now: UnixMillis,
}

impl App {
    /// # Errors
    /// If a variable has a value that can't be used.
    pub fn new(env: Env, context: Option<Context>) -> Result<Self, ConfigError> {
        let config = CONFIG.with(|config| {
            let read = |name: &str| env.var(name).ok().map(|value| value.to_string());
            config.get_or_init(|| Config::parse(read).map(Rc::new)).clone()
        })?;
        Ok(Self { env, context: context.map(Rc::new), config, now: now() })
    }

    /// The objects of all identities.
    pub fn identities(&self) -> worker::Result<Rc<IdentityStub>> {
        IDENTITIES.with(|cell| match cell.get() {
            Some(stub) => Ok(Rc::clone(stub)),
            None => {
                let stub = Rc::new(IdentityStub::new(&self.env, bindings::IDENTITY)?);
                Ok(Rc::clone(cell.get_or_init(|| stub)))
            }
        })
    }

    /// The live view of all identities.
    pub fn registry(&self) -> worker::Result<RegistryStub> {
        RegistryStub::new(&self.env, bindings::LIVE_REGISTRY)
    }

    /// The objects of all lists.
    pub fn artifacts(&self) -> worker::Result<ArtifactStub> {
        ArtifactStub::new(&self.env)
    }

    /// The objects of all jobs.
    pub fn jobs(&self) -> worker::Result<CompileJobStub> {
        CompileJobStub::new(&self.env)
    }

    /// The objects of all hosts of sources.
    pub fn source_hosts(&self) -> worker::Result<SourceHostStub> {
        SourceHostStub::new(&self.env)
    }

    /// What happened in the last half hour.
    pub fn metrics(&self) -> worker::Result<MetricsStub> {
        MetricsStub::new(&self.env)
    }

    /// What a compile must know of how the service is set up.
    pub fn settings(&self, own_host: Option<String>) -> Settings {
        Settings {
            own_host,
            loopback: self.config.sources_on_loopback,
            timeout_ms: self.config.source_timeout_ms,
            compiler: self.config.compiler_name(),
        }
    }

    /// Runs `work` after the answer has left.
    pub fn afterwards(&self, work: impl Future<Output = ()> + 'static) {
        if let Some(context) = &self.context {
            context.wait_until(work);
        }
    }

    /// D1.
    pub fn d1(&self) -> worker::Result<D1Database> {
        #[cfg(feature = "faults")]
        N_REACHED.set((N_REACHED.get().0 + 1, N_REACHED.get().1));
        self.env.d1(bindings::DB)
    }

    /// PostgreSQL.
    pub fn postgres(&self) -> worker::Result<Hyperdrive> {
        #[cfg(feature = "faults")]
        N_REACHED.set((N_REACHED.get().0, N_REACHED.get().1 + 1));
        self.env.hyperdrive(bindings::HYPERDRIVE)
    }

    /// The queue for work that may come a little later.
    pub fn queue(&self) -> worker::Result<Queue> {
        self.env.queue(bindings::QUEUE)
    }

    /// Where security events go, if there is such a binding.
    pub fn events(&self) -> Option<AnalyticsEngineDataset> {
        // Not `analytics_engine`: a binding of another kind would be a defect that every request logs.
        self.env.get_binding::<AnalyticsEngineDataset>(bindings::ANALYTICS_ENGINE).ok()
    }

    /// The static assets.
    pub fn assets(&self) -> worker::Result<Fetcher> {
        self.env.assets(bindings::ASSETS)
    }
}

#[cfg(feature = "faults")]
thread_local! {
    static N_REACHED: std::cell::Cell<(u64, u64)> = const { std::cell::Cell::new((0, 0)) };
}

/// How often this isolate reached for D1 and for PostgreSQL.
#[cfg(feature = "faults")]
pub fn n_reached() -> (u64, u64) {
    N_REACHED.get()
}

/// The clock. On Workers it stands still while code runs and moves on with input and output.
pub fn now() -> UnixMillis {
    UnixMillis(js_sys::Date::now() as u64)
}

/// The instant as ISO 8601 in UTC with milliseconds, as all bodies have it.
pub fn iso_time(at: UnixMillis) -> String {
    js_sys::Date::new(&(at.0 as f64).into()).to_iso_string().into()
}

/// The instant that a text names, in milliseconds since 1970; negative before that.
pub fn parse_time(text: &str) -> Option<f64> {
    Some(js_sys::Date::parse(text)).filter(|millis| millis.is_finite())
}

#[cfg(all(test, target_arch = "wasm32"))]
mod wasm_tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test]
    fn instants_are_written_with_milliseconds() {
        assert_eq!(iso_time(UnixMillis(1_800_000_000_007)), "2027-01-15T08:00:00.007Z");
    }

    #[wasm_bindgen_test]
    fn instants_are_read_as_they_are_written() {
        assert_eq!(parse_time("2027-01-15T08:00:00.007Z"), Some(1_800_000_000_007.0));
        assert_eq!(parse_time("tomorrow"), None);
    }

    #[wasm_bindgen_test]
    fn the_clock_is_the_platforms() {
        assert!(now() > UnixMillis(1_700_000_000_000));
    }
}
