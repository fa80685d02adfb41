//! `audit`: what the trail holds and what became of it, beside a running service.

mod options;
mod render;

use jiff::Timestamp;

use super::{Failure, configuration_file, print, runtime};
use crate::app::location;
use crate::config::Config;
use crate::store::{
    Access, AuditQuery, QuarantinedEvent, Store, StoreConfig, StoreError, StoreLocation, StoredEvent, WaitingEvent,
};
pub(super) use options::AuditCommand;
use options::{Filter, ListOptions, Place, RequeueOptions};
use render::Line;

/// Events read at once.
const PAGE_EVENTS: u32 = 500;

pub(super) fn audit(command: AuditCommand) -> Result<u8, Failure> {
    runtime()?.block_on(async {
        match command {
            AuditCommand::Status { place, json } => status(&place, json).await,
            AuditCommand::List(options) => list(&options).await,
            AuditCommand::Export { place, filter, quarantine } => export(&place, &filter, quarantine).await,
            AuditCommand::Requeue(options) => requeue(&options).await,
        }
    })
}

/// The store meant: a flag, the configuration, or the place of this machine.
fn store_location(place: &Place) -> Result<StoreLocation, Failure> {
    if let Some(directory) = &place.state_dir {
        return Ok(StoreLocation::in_directory(directory));
    }
    let store = match configuration_file(place.config.clone()) {
        Ok(path) => Config::load(&path)?.store,
        // Without a configuration there is still the default state directory.
        Err(_) if place.config.is_none() => StoreConfig::default(),
        Err(failure) => return Err(failure),
    };
    Ok(location(&store, None)?)
}

async fn open(place: &Place) -> Result<Store, Failure> {
    Store::open(&store_location(place)?, Access::ReadOnly).await.map_err(unusable)
}

/// A store that is not there was named wrongly; anything else is a fault.
fn unusable(error: StoreError) -> Failure {
    match &error {
        StoreError::File { .. } => Failure::bad_input(error),
        _ => Failure::fault(error),
    }
}

async fn status(place: &Place, json: bool) -> Result<u8, Failure> {
    let store = open(place).await?;
    let outbox = store.outbox_totals().await.map_err(Failure::fault)?;
    let local = store.audit_totals().await.map_err(Failure::fault)?;
    let status = render::Status { path: store.path(), outbox, local, now: Timestamp::now() };
    print(&if json { status.json() } else { status.text() })
}

/// One table of the store, a page at a time.
enum Table {
    Local,
    Waiting,
    Quarantine,
}

impl Table {
    async fn page(&self, store: &Store, query: &AuditQuery) -> Result<Vec<Line>, StoreError> {
        Ok(match self {
            Self::Local => store.events(query).await?.into_iter().map(local_line).collect(),
            Self::Waiting => store.waiting_events(query).await?.into_iter().map(waiting_line).collect(),
            Self::Quarantine => store.quarantined_events(query).await?.into_iter().map(quarantined_line).collect(),
        })
    }
}

fn local_line(event: StoredEvent) -> Line {
    Line { event, state: "local", attempts: None, next_attempt_at: None, refusal: None }
}

fn waiting_line(waiting: WaitingEvent) -> Line {
    let WaitingEvent { event, state, attempts, next_attempt_at } = waiting;
    Line { event, state: state.as_str(), attempts: Some(attempts), next_attempt_at, refusal: None }
}

fn quarantined_line(kept: QuarantinedEvent) -> Line {
    let refusal = render::Refusal {
        status: kept.status,
        problem: kept.problem,
        first_seen: kept.first_seen,
        quarantined_at: kept.quarantined_at,
    };
    let state = kept.reason.as_str();
    Line { event: kept.event, state, attempts: Some(kept.attempts), next_attempt_at: None, refusal: Some(refusal) }
}

/// Calls `show` with every event of the tables that fits, at most `events_max`; answers whether there are more.
async fn visit(
    store: &Store,
    tables: &[Table],
    filter: &Filter,
    events_max: usize,
    mut show: impl FnMut(Vec<Line>) -> Result<(), Failure>,
) -> Result<bool, Failure> {
    let mut left = events_max;
    for table in tables {
        let mut query = filter.query(Timestamp::now()).map_err(Failure::bad_input)?;
        query.events_max = PAGE_EVENTS;
        loop {
            let mut page = table.page(store, &query).await.map_err(Failure::fault)?;
            let Some(last) = page.last() else { break };
            query.after_seq = last.event.seq;
            let more = page.len() > left;
            page.truncate(left);
            left -= page.len();
            show(page)?;
            if more {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn tables(quarantine: bool) -> &'static [Table] {
    if quarantine { &[Table::Quarantine] } else { &[Table::Local, Table::Waiting] }
}

async fn list(options: &ListOptions) -> Result<u8, Failure> {
    let store = open(&options.place).await?;
    let mut lines = Vec::new();
    let more = visit(&store, tables(options.quarantine), &options.filter, options.limit, |page| {
        if options.json {
            print(&page.iter().map(Line::json).collect::<String>()).map(drop)
        } else {
            lines.extend(page);
            Ok(())
        }
    })
    .await?;
    if !options.json {
        print(&render::table(&lines, more))?;
    }
    Ok(0)
}

/// Whole events, one JSON document a line, exactly as they were recorded; those in quarantine with what is known of them.
async fn export(place: &Place, filter: &Filter, quarantine: bool) -> Result<u8, Failure> {
    let store = open(place).await?;
    visit(&store, tables(quarantine), filter, usize::MAX, |page| {
        print(&page.iter().map(Line::exported).collect::<String>()).map(drop)
    })
    .await?;
    Ok(0)
}

async fn requeue(options: &RequeueOptions) -> Result<u8, Failure> {
    let location = store_location(&options.place)?;
    let store = Store::open(&location, Access::ReadOnly).await.map_err(unusable)?;
    let mut wanted = Vec::new();
    let filters: Vec<Filter> = match options.events.as_slice() {
        [] => vec![options.filter.clone()],
        ids => ids.iter().map(|id| Filter { event_id: Some(id.clone()), ..options.filter.clone() }).collect(),
    };
    for filter in &filters {
        let before = wanted.len();
        visit(&store, &[Table::Quarantine], filter, usize::MAX, |page| {
            wanted.extend(page);
            Ok(())
        })
        .await?;
        if let (true, Some(id)) = (wanted.len() == before, &filter.event_id) {
            return Err(Failure::bad_input(anyhow::anyhow!(
                "no event {id} in quarantine: see `audit list --quarantine`"
            )));
        }
    }
    if let Some(altered) = wanted.iter().find(|line| !line.event.intact) {
        return Err(Failure::bad_input(anyhow::anyhow!(
            "event {} was altered after it was recorded and cannot be sent: see `audit export --quarantine`",
            altered.event.event_id
        )));
    }
    for line in &wanted {
        let moved = Store::requeue(&location, &line.event.event_id).await.map_err(Failure::fault)?;
        let outcome = if moved { "put back" } else { "gone meanwhile" };
        print(&format!("{} {outcome}{}\n", line.event.event_id, render::hint(line)))?;
    }
    Ok(0)
}
