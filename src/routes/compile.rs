use worker::Request;
use crate::app::App;
use crate::error::{ApiError, ApiResult};
pub async fn compile_list(_app: App, _request: Request) -> ApiResult { Err(ApiError::NotJson) }
pub fn compiles_one_rule() -> bool { true }
