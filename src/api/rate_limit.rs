//! `server.rate_limit` (operations §1.3.5): so many requests of one client in a second, off by default. Public paths are never
//! turned away. One token bucket for each address; the newest address of a chain of proxies counts that no trusted proxy has.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use super::access::is_public;
use super::problem::Problem;
use super::server::PeerAddress;
use crate::settings::Setting;

/// Addresses remembered; when there are more, everybody begins anew.
const CLIENTS_MAX: usize = 16_384;
/// Addresses of a forwarding chain that are looked at.
const HOPS_MAX: usize = 16;
const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// What one client may send.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RateLimitConfig {
    /// Default false.
    pub enabled: bool,
    /// Default 5.
    pub requests_per_second: f64,
    /// Requests at once after a pause. Default 10.
    pub burst: u32,
    /// Between two sweeps of silent clients, seconds. Default 300.
    pub cleanup_interval_seconds: u64,
    /// A client that is silent for so long is forgotten, seconds. Default 600.
    pub max_age_seconds: u64,
    /// Proxies whose `X-Forwarded-For` is believed, e.g. `10.0.0.0/8`. Default none.
    pub trusted_proxy_cidrs: Vec<String>,
}

impl Default for RateLimitConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            requests_per_second: 5.0,
            burst: 10,
            cleanup_interval_seconds: 300,
            max_age_seconds: 600,
            trusted_proxy_cidrs: Vec::new(),
        }
    }
}

impl RateLimitConfig {
    pub(super) fn check(&self) -> Result<(), String> {
        if !(self.requests_per_second.is_finite() && self.requests_per_second > 0.0) || self.burst == 0 {
            return Err("server.rate_limit.requests_per_second and burst must be greater than 0".to_owned());
        }
        let broken = self.trusted_proxy_cidrs.iter().find(|text| Network::parse(text).is_none());
        broken.map_or(Ok(()), |text| {
            Err(format!("server.rate_limit.trusted_proxy_cidrs: {text:?} is no network such as 10.0.0.0/8"))
        })
    }
}

/// Buckets of all clients, and the rules that count now. Clones share them.
#[derive(Debug, Clone)]
pub(super) struct RateLimit {
    rules: Setting<Rules>,
    table: Arc<Mutex<Table>>,
}

#[derive(Debug)]
struct Rules {
    is_on: bool,
    per_second: f64,
    burst: f64,
    cleanup_interval: Duration,
    age_max: Duration,
    trusted: Vec<Network>,
}

#[derive(Debug)]
struct Table {
    buckets: HashMap<IpAddr, Bucket>,
    swept_at: Instant,
}

#[derive(Debug, Clone, Copy)]
struct Bucket {
    tokens: f64,
    at: Instant,
}

impl Rules {
    fn of(config: &RateLimitConfig) -> Self {
        Self {
            is_on: config.enabled,
            per_second: config.requests_per_second,
            burst: f64::from(config.burst),
            cleanup_interval: Duration::from_secs(config.cleanup_interval_seconds),
            age_max: Duration::from_secs(config.max_age_seconds),
            trusted: config.trusted_proxy_cidrs.iter().filter_map(|text| Network::parse(text)).collect(),
        }
    }

    /// The peer, or whom trusted proxies say it stands for.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let is_trusted = |address: &IpAddr| self.trusted.iter().any(|network| network.holds(*address));
        let told = headers.get_all(FORWARDED_FOR).iter().filter_map(|value| value.to_str().ok());
        let hops: Vec<&str> = told.flat_map(|line| line.split(',')).map(str::trim).collect();
        let mut client = peer;
        for hop in hops.iter().rev().take(HOPS_MAX) {
            if !is_trusted(&client) {
                break;
            }
            let Ok(address) = hop.parse() else { break };
            client = address;
        }
        client
    }
}

impl RateLimit {
    pub(super) fn new(config: &RateLimitConfig) -> Self {
        let table = Table { buckets: HashMap::new(), swept_at: Instant::now() };
        Self { rules: Setting::new(Rules::of(config)), table: Arc::new(Mutex::new(table)) }
    }

    /// Other rules from the next request on; what clients have left stays, up to the new burst.
    pub(super) fn change(&self, config: &RateLimitConfig) {
        self.rules.set(Rules::of(config));
    }

    /// Takes one request of a client.
    ///
    /// # Errors
    /// It has none left: how long until the next.
    fn take(&self, rules: &Rules, client: IpAddr, now: Instant) -> Result<(), Duration> {
        let mut table = self.table.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_duration_since(table.swept_at) >= rules.cleanup_interval {
            table.swept_at = now;
            table.buckets.retain(|_, bucket| now.saturating_duration_since(bucket.at) < rules.age_max);
        }
        if table.buckets.len() >= CLIENTS_MAX && !table.buckets.contains_key(&client) {
            table.buckets.clear();
        }
        let bucket = table.buckets.entry(client).or_insert(Bucket { tokens: rules.burst, at: now });
        let earned = now.saturating_duration_since(bucket.at).as_secs_f64() * rules.per_second;
        *bucket = Bucket { tokens: (bucket.tokens + earned).min(rules.burst), at: now };
        if bucket.tokens >= 1.0 {
            bucket.tokens -= 1.0;
            return Ok(());
        }
        Err(Duration::from_secs_f64((1.0 - bucket.tokens) / rules.per_second))
    }
}

/// Turns a client away that sends too much. Runs before anybody is asked who it is.
pub(super) async fn limit_rate(State(limit): State<RateLimit>, request: Request, next: Next) -> Response {
    let rules = limit.rules.get();
    let peer = request.extensions().get::<PeerAddress>().map(|peer| peer.0.ip());
    if let Some(peer) = peer.filter(|_| rules.is_on && !is_public(&request)) {
        let client = rules.client(peer, request.headers());
        if let Err(wait) = limit.take(&rules, client, Instant::now()) {
            return Problem::rate_limited(wait).into_response();
        }
    }
    next.run(request).await
}

/// Addresses with a common beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Network {
    address: u128,
    mask: u128,
    is_v4: bool,
}

impl Network {
    fn parse(text: &str) -> Option<Self> {
        let (address, length) = text.trim().split_once('/')?;
        let (bits, is_v4) = bits(address.parse().ok()?);
        let width = if is_v4 { 32 } else { 128 };
        let length: u32 = length.parse().ok().filter(|length| *length <= width)?;
        let mask = u128::MAX.checked_shl(width - length).unwrap_or(0);
        Some(Self { address: bits & mask, mask, is_v4 })
    }

    fn holds(self, address: IpAddr) -> bool {
        let (bits, is_v4) = bits(address);
        is_v4 == self.is_v4 && bits & self.mask == self.address
    }
}

fn bits(address: IpAddr) -> (u128, bool) {
    match address.to_canonical() {
        IpAddr::V4(address) => (u128::from(address.to_bits()), true),
        IpAddr::V6(address) => (address.to_bits(), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(change: impl FnOnce(&mut RateLimitConfig)) -> RateLimitConfig {
        let mut config = RateLimitConfig { enabled: true, ..RateLimitConfig::default() };
        change(&mut config);
        assert_eq!(config.check(), Ok(()));
        config
    }

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn a_burst_then_so_many_in_a_second_for_each_client() {
        let limit = RateLimit::new(&changed(|_| {}));
        let take = |client, now| limit.take(&limit.rules.get(), client, now);
        let now = Instant::now();
        assert_eq!((0..20).filter(|_| take(A, now).is_ok()).count(), 10);
        assert_eq!(take(A, now), Err(Duration::from_millis(200)));
        assert_eq!(take(B, now), Ok(()), "another client");
        let later = now + Duration::from_secs(1);
        assert_eq!((0..20).filter(|_| take(A, later).is_ok()).count(), 5);
        let much_later = now + Duration::from_secs(3_600);
        assert_eq!((0..20).filter(|_| take(A, much_later).is_ok()).count(), 10, "no more than a burst");
        assert_eq!(limit.table.lock().unwrap().buckets.len(), 1, "silent clients are forgotten");
    }

    #[test]
    fn other_rules_count_for_the_next_request() {
        let limit = RateLimit::new(&changed(|_| {}));
        let take = |now| limit.take(&limit.rules.get(), A, now);
        let now = Instant::now();
        assert_eq!(take(now), Ok(()));
        limit.change(&changed(|config| config.burst = 3));
        assert_eq!((0..20).filter(|_| take(now).is_ok()).count(), 3, "nobody keeps more than the new burst");
        limit.change(&changed(|config| (config.burst, config.requests_per_second) = (100, 50.0)));
        let later = now + Duration::from_secs(1);
        assert_eq!((0..200).filter(|_| take(later).is_ok()).count(), 50);
    }

    #[test]
    fn proxies_are_believed_when_they_are_trusted() {
        let rules =
            Rules::of(&changed(|config| config.trusted_proxy_cidrs = vec!["10.0.0.0/8".into(), "fd00::/8".into()]));
        for (peer, told, expected) in [
            ("192.0.2.9", "192.0.2.1", "192.0.2.9"),
            ("10.1.2.3", "192.0.2.1", "192.0.2.1"),
            ("10.1.2.3", "198.51.100.7, 192.0.2.1, 10.9.9.9", "192.0.2.1"),
            ("10.1.2.3", "192.0.2.1, nonsense", "10.1.2.3"),
            ("fd00::1", "2001:db8::5", "2001:db8::5"),
            ("::ffff:10.0.0.1", "192.0.2.1", "192.0.2.1"),
            ("10.1.2.3", "", "10.1.2.3"),
        ] {
            let headers = HeaderMap::from_iter([(FORWARDED_FOR, told.parse().unwrap())]);
            let client = rules.client(peer.parse().unwrap(), &headers);
            assert_eq!(client, expected.parse::<IpAddr>().unwrap(), "{peer} {told}");
        }
    }

    #[test]
    fn nonsense_is_refused() {
        let check = |change: fn(&mut RateLimitConfig)| {
            let mut config = RateLimitConfig::default();
            change(&mut config);
            config.check().is_err()
        };
        assert!(check(|config| config.requests_per_second = 0.0));
        assert!(check(|config| config.requests_per_second = f64::NAN));
        assert!(check(|config| config.burst = 0));
        for text in ["10.0.0.0", "10.0.0.0/33", "x/8", "::/129"] {
            assert_eq!(Network::parse(text), None, "{text}");
        }
        assert!(Network::parse("0.0.0.0/0").unwrap().holds(A));
    }
}
