//! `healthcheck`: for images without a shell.

use std::time::Duration;

use super::arguments::HealthcheckOptions;
use super::{Failure, environment, runtime};

const TIMEOUT: Duration = Duration::from_secs(4);

pub(super) fn healthcheck(options: &HealthcheckOptions) -> Result<u8, Failure> {
    let url = options.url.clone().unwrap_or_else(|| {
        let port = environment("API_PORT").unwrap_or_else(|| "8080".to_owned());
        format!("http://127.0.0.1:{}/health", port.trim())
    });
    runtime()?.block_on(ask(&url)).map(|()| 0)
}

async fn ask(url: &str) -> Result<(), Failure> {
    let client = reqwest::Client::builder().no_proxy().timeout(TIMEOUT).build().map_err(Failure::fault)?;
    let response = client.get(url).send().await.map_err(Failure::fault)?;
    let status = response.status();
    if status.is_success() { Ok(()) } else { Err(Failure::fault(anyhow::anyhow!("{url} answered {status}"))) }
}
