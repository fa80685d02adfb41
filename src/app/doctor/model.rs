//! Every model that may answer: can it be reached, does it take our credentials, does it call a tool when told to.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;

use super::Examination;
use super::clients::Clients;
use super::report::{Area, Check};
use super::rows::{Finding, Rows};
use crate::api::public_address;
use crate::llm::{ErrorKind, LlmError, Obedience, Profile, Reached, StructuredOutput, Unreached};
use crate::metering::PriceTable;

/// For a connection and the first answer.
const REACH_PATIENCE: Duration = Duration::from_secs(5);
/// A smaller window holds the instructions, the tools and hardly anything that was seen, in tokens.
const WINDOW_TOKENS_MIN: usize = 16_000;
const LATE: &str = "See whether the provider is slow today, or raise --timeout; llm.timeout_seconds bounds an attempt.";
const KEY: &str = "Put a valid key where this profile reads it: the provider's variable (for OpenAI OPENAI_API_KEY), \
                   llm.api_key_file, or a file in llm.credentials_dir. It is read again without a restart.";

pub(super) async fn check(examination: &Examination, clients: &Clients, until: Instant) -> Vec<Check> {
    let mut rows = Rows::of(Area::Model, until);
    let built = match &clients.llm {
        Some(Ok(llm)) => llm,
        Some(Err(error)) => {
            rows.note(
                "llm",
                Finding::failed(error.to_string(), "Correct the `llm` section, or put the credential there."),
            );
            return rows.into_checks();
        }
        None => {
            let reason = match examination.config.llm {
                Some(_) => "investigation.engine is `analyser`: the model of the `llm` section is not asked",
                None => "no `llm` section: the analyser answers",
            };
            rows.note("llm", Finding::skipped(reason));
            return rows.into_checks();
        }
    };
    let prices = PriceTable::build(&examination.config.cost);
    let is_limited = examination.config.budgets().limits_money();
    let price = |profile: &Profile| match &prices {
        Ok(prices) => price(prices, profile.provider(), profile.model(), is_limited),
        Err(error) => Finding::failed(error.to_string(), "Correct the `cost` section or the file it names."),
    };
    let each = built.profiles().into_iter().map(|(place, profile)| {
        let price = price(&profile);
        one(place, profile, price, until)
    });
    join_all(each).await.into_iter().flatten().collect()
}

async fn one(place: String, profile: Arc<Profile>, price: Finding, until: Instant) -> Vec<Check> {
    let mut rows = Rows::of(Area::Model, until);
    let who = format!("{} {}", profile.provider(), profile.model());
    let judge = |reached: &Result<Reached, Unreached>| match reached {
        Ok(reached) => Finding::ok(format!("{} answers in {} ms", address(&profile), reached.round_trip.as_millis())),
        Err(unreached) => not_reached(&profile, unreached),
    };
    rows.ask(format!("{place} endpoint"), LATE, profile.reach(REACH_PATIENCE), judge).await;
    rows.note(format!("{place} window"), window(&profile));
    rows.note(format!("{place} price"), price);
    if rows.are_well() {
        let judge = |tried: &Result<Obedience, LlmError>| tool_call(&profile, &who, tried);
        rows.ask(format!("{place} call"), LATE, profile.try_tool_call(), judge).await;
    } else {
        rows.note(
            format!("{place} call"),
            Finding::skipped(format!("{who} is not asked: its endpoint does not answer")),
        );
    }
    rows.into_checks()
}

fn address(profile: &Profile) -> String {
    public_address(profile.endpoint()).unwrap_or_else(|| "the endpoint".to_owned())
}

fn not_reached(profile: &Profile, Unreached { cause, .. }: &Unreached) -> Finding {
    let seen = format!("{} cannot be reached: {cause}", address(profile));
    let lower = cause.to_ascii_lowercase();
    let mend = if lower.contains("certificate") || lower.contains("tls") {
        "Name the authority that signed the endpoint's certificate in llm.tls_ca_file (or SSL_CERT_FILE); a proxy that opens \
         TLS has one of its own."
    } else if lower.contains("dns") || lower.contains("lookup") || lower.contains("resolve") {
        "Correct the host in llm.endpoint; from a closed network set HTTPS_PROXY or let DNS resolve the name."
    } else {
        "Correct llm.endpoint, let the NetworkPolicy or firewall pass it, or set HTTPS_PROXY."
    };
    Finding::failed(seen, mend)
}

fn window(profile: &Profile) -> Finding {
    let (window, answer) = (profile.context_window_tokens(), profile.output_tokens_max());
    let seen = format!("takes {window} tokens at once, answers with up to {answer}");
    if usize::try_from(answer).is_ok_and(|answer| answer >= window / 2) {
        return Finding::warning(
            seen,
            "Answers may take half of the window: lower llm.max_tokens_per_request or correct llm.context_window_tokens.",
        );
    }
    if window < WINDOW_TOKENS_MIN {
        return Finding::warning(
            seen,
            "Little that is seen fits in: use a model with a larger window, or correct llm.context_window_tokens.",
        );
    }
    Finding::ok(seen)
}

/// Without a price the model works as well; only what it costs is not known.
fn price(prices: &PriceTable, provider: &str, model: &str, is_limited: bool) -> Finding {
    if prices.price(provider, model).is_some() {
        return Finding::ok(format!("known, from {}", prices.sources().join(" or ")));
    }
    let seen = format!("no price of {model} is known: its tokens are counted, its cost is not");
    let mend = format!(
        "Set cost.prices.{provider}.{model}: {{prompt: 0.005, completion: 0.015}}, dollars for 1000 tokens; 0 for a model of \
         your own (docs/costs.md)."
    );
    match is_limited {
        true => Finding::warning(seen, format!("Budgets of money cannot hold it. {mend}")),
        false => Finding::ok(format!("{seen}. {mend}")),
    }
}

fn tool_call(profile: &Profile, who: &str, tried: &Result<Obedience, LlmError>) -> Finding {
    match tried {
        Ok(Obedience::Called) => Finding::ok(format!("{who} takes the credentials and calls tools")),
        Ok(Obedience::Wrote) => Finding::warning(
            format!("{who} answers, but wrote text when it was told to call a tool"),
            match profile.structured_output() {
                StructuredOutput::Text => {
                    "Its answers are read as text, but it will look at little: prefer a model that calls tools."
                }
                _ => {
                    "Serve the model with tool calling switched on (vLLM: --enable-auto-tool-choice), choose another, or set \
                      llm.structured_output: text."
                }
            },
        ),
        Ok(Obedience::Cut) => Finding::warning(
            format!("{who} answers, but its words ran out before it called a tool"),
            "Models that reason need room: usually nothing is wrong; lower llm.reasoning if answers are cut in use as well.",
        ),
        Err(error) => refused(who, error),
    }
}

fn refused(who: &str, error: &LlmError) -> Finding {
    let seen = format!("{who}: {}", error.sentence);
    let mend = match error.kind {
        ErrorKind::Auth => KEY,
        ErrorKind::NotFound => {
            "Correct llm.model and llm.endpoint: the provider knows no such model there (Azure: the name of the deployment; \
             Vertex: project and region; Ollama: pull it first)."
        }
        ErrorKind::RateLimit => {
            "The quota is used up or too small: raise it at the provider, lower session.max_concurrent_investigations, or \
             name another model in llm.fallbacks."
        }
        ErrorKind::BadRequest | ErrorKind::ContextLength => {
            "The provider refuses the request: see that llm.provider and llm.api are those of this endpoint, and that the \
             model supports tool calling."
        }
        ErrorKind::Timeout | ErrorKind::Network | ErrorKind::Server | ErrorKind::BreakerOpen => {
            "Try again; if it stays so, see the provider's status page, the proxy and the NetworkPolicy, and name another \
             model in llm.fallbacks."
        }
        ErrorKind::Decode => {
            "Something else answers there: see that llm.endpoint leads to the API itself and that llm.provider is right."
        }
    };
    Finding::failed(seen, mend)
}
