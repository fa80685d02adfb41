use super::*;

fn readiness(configured: &[Dependency]) -> Readiness {
    Readiness::new(configured, Metrics::build().unwrap())
}

fn status(readiness: &Readiness, dependency: &str) -> String {
    readiness.report()["dependencies"][dependency]["status"].as_str().unwrap().to_owned()
}

#[test]
fn a_configured_dependency_holds_the_start_and_later_only_degrades() {
    let readiness = readiness(&[Dependency::Kubernetes]);
    assert_eq!((readiness.phase(), readiness.reason()), (Phase::Starting, Some("starting")));
    readiness.started();
    assert_eq!((readiness.phase(), readiness.reason()), (Phase::Starting, Some("kubernetes_unreachable")));
    readiness.down(Dependency::Kubernetes, "timeout");
    assert_eq!(readiness.phase(), Phase::Starting, "a failure before the first success changes nothing");
    readiness.up(Dependency::Kubernetes);
    assert_eq!((readiness.phase(), readiness.reason()), (Phase::Ready, None));
    readiness.down(Dependency::Kubernetes, "timeout");
    assert_eq!(readiness.phase(), Phase::Ready);
    let report = readiness.report();
    assert_eq!(report["degraded"], json!(["kubernetes"]));
    assert_eq!(report["dependencies"]["kubernetes"]["detail"], "timeout");
    assert!(report.get("reason").is_none());
}

#[test]
fn what_is_not_configured_is_off() {
    let readiness = readiness(&[]);
    readiness.started();
    readiness.down(Dependency::Llm, "timeout");
    assert_eq!(readiness.phase(), Phase::Ready);
    assert_eq!(status(&readiness, "llm"), "off");
    for constant in CONSTANT_CHECKS {
        assert_eq!(status(&readiness, constant), "up");
    }
}

#[test]
fn faults_stop_work_until_mended_and_draining_wins() {
    let readiness = readiness(&[]);
    readiness.started();
    readiness.broken("store_unavailable");
    readiness.broken("store_unavailable");
    assert_eq!((readiness.phase(), readiness.reason()), (Phase::NotReady, Some("store_unavailable")));
    readiness.mended("store_unavailable");
    assert_eq!(readiness.phase(), Phase::Ready);
    assert_eq!(status(&readiness, "audit"), "up");
    readiness.broken("audit_delivery_overdue");
    assert_eq!(readiness.report()["dependencies"]["audit"]["detail"], "audit_delivery_overdue");
    readiness.mended("audit_delivery_overdue");
    assert_eq!(status(&readiness, "audit"), "up");
    readiness.shutting_down();
    readiness.broken("audit_unavailable");
    assert_eq!(readiness.phase(), Phase::ShuttingDown);
    let report = readiness.report();
    assert_eq!(report["status"], "shutting_down");
    assert_eq!(report["reason"], "Service is gracefully shutting down");
}

#[test]
fn another_demand_counts_at_once() {
    let readiness = readiness(&[Dependency::DataStorage, Dependency::Llm]);
    readiness.started();
    let demanded = |data_storage, llm| readiness.demand(ReadinessConfig { data_storage, llm, ..Default::default() });
    demanded(Demand::Informational, Demand::Informational);
    assert_eq!((readiness.phase(), readiness.reason()), (Phase::Ready, None), "nothing is waited for");
    assert_eq!(readiness.report()["degraded"], json!(["data_storage", "llm"]));
    demanded(Demand::Required, Demand::Off);
    assert_eq!((readiness.phase(), readiness.reason()), (Phase::Starting, Some("datastorage_unreachable")));
    readiness.up(Dependency::DataStorage);
    assert_eq!((readiness.phase(), status(&readiness, "llm").as_str()), (Phase::Ready, "off"));
    assert_eq!(readiness.report()["degraded"], json!([]));
    readiness.down(Dependency::DataStorage, "datastorage_unreachable");
    assert_eq!((readiness.phase(), readiness.reason()), (Phase::NotReady, Some("datastorage_unreachable")));
    readiness.broken("store_unavailable");
    assert_eq!(readiness.reason(), Some("store_unavailable"), "the own fault is told first");
    readiness.mended("store_unavailable");
    demanded(Demand::Off, Demand::Off);
    assert_eq!((readiness.phase(), status(&readiness, "data_storage").as_str()), (Phase::Ready, "off"));
    demanded(Demand::Start, Demand::Off);
    assert_eq!((readiness.phase(), status(&readiness, "data_storage").as_str()), (Phase::Ready, "down"));
}
