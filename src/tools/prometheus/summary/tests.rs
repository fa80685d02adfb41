use proptest::prelude::*;

use super::super::series::short;
use super::*;

const START: i64 = 1_780_000_000;
const WINDOW: Window = Window { start: START, end: START + 300 };
const STEP: Step = Step { seconds: 60, raised: false };

fn asked(range: Option<(Window, Step)>, chars_max: usize) -> Asked<'static> {
    Asked { query: "sum by (pod) (x)", range, output: OutputType::Plain, chars_max }
}

fn series(pod: &str, values: &[f64]) -> Series {
    let labels = BTreeMap::from([("pod".to_owned(), pod.to_owned()), ("ns".to_owned(), "shop".to_owned())]);
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let points = values.iter().enumerate().map(|(n, value)| ((START + 60 * n as i64) as f64, *value)).collect();
    Series { labels, points, histograms: 0 }
}

#[test]
fn answers_of_the_server_become_plain_values() {
    let point = |value: &str| json!([1_780_000_000.123, value]);
    let vector = json!({"resultType": "vector", "result": [
        {"metric": {"a": "b"}, "value": point("+Inf")}, {"metric": {}, "histogram": [1, {}]}]});
    let Some(QueryResult::Vector(read)) = QueryResult::read(&vector) else { panic!("{vector}") };
    assert_eq!((read[0].last(), read[1].last(), read[1].histograms), (Some(f64::INFINITY), None, 1));
    let matrix = json!({"resultType": "matrix", "result": [{"metric": {}, "values": [point("1"), point("2.5")]}]});
    let Some(QueryResult::Matrix(read)) = QueryResult::read(&matrix) else { panic!("{matrix}") };
    assert_eq!(read[0].points.len(), 2);
    assert_eq!(
        QueryResult::read(&json!({"resultType": "scalar", "result": point("7")})),
        Some(QueryResult::Scalar(7.0))
    );
    let text = json!({"resultType": "string", "result": point("x")});
    assert_eq!(QueryResult::read(&text), Some(QueryResult::Text("x".to_owned())));
    for bad in [
        json!(null),
        json!({"resultType": "vector", "result": {}}),
        json!({"resultType": "vector", "result": [{"metric": {}, "value": [1, 2]}]}),
        json!({"resultType": "stream", "result": []}),
    ] {
        assert_eq!(QueryResult::read(&bad), None, "{bad}");
    }
}

#[test]
fn numbers_keep_what_matters() {
    for (value, expected) in [
        (0.0, json!(0)),
        (1_712_345_678.0, json!(1_712_345_678)),
        (1_712_345_678.9, json!(1_712_345_679_i64)),
        (0.123_456_789, json!(0.123_457)),
        (12.345_678_9, json!(12.3457)),
        (0.000_012_345_678, json!(0.000_012_345_7)),
        (-1.5, json!(-1.5)),
        (f64::NAN, json!("NaN")),
        (f64::NEG_INFINITY, json!("-Inf")),
        (1e300, json!(1e300)),
    ] {
        assert_eq!(rounded(value), expected, "{value}");
    }
}

#[test]
fn a_vector_is_told_whole_with_what_is_common_once() {
    let result = QueryResult::Vector(vec![series("a", &[0.5]), series("b", &[f64::NAN])]);
    let expected = json!({"result_type": "vector", "common_labels": {"ns": "shop"}, "series": [
        {"labels": {"pod": "a"}, "value": 0.5}, {"labels": {"pod": "b"}, "value": "NaN"}]});
    assert_eq!(answer(&result, &asked(None, 30_000)), expected);
    assert_eq!(answer(&QueryResult::Scalar(1.0), &asked(None, 30_000)), json!({"result_type": "scalar", "value": 1}));
}

#[test]
fn a_range_is_described_with_its_points_on_the_steps() {
    let mut gap = series("a", &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]);
    gap.points.remove(2);
    gap.points.remove(0);
    let told = answer(&QueryResult::Matrix(vec![gap]), &asked(Some((WINDOW, STEP)), 30_000));
    let expected = json!({"result_type": "matrix", "start": shown(START), "end": shown(START + 300), "step_seconds": 60,
        "series": [{"labels": {"ns": "shop", "pod": "a"}, "first": 2, "last": 6, "min": 2, "max": 6, "max_at": shown(START + 300),
            "mean": 4.25, "trend": "rising", "points": 4, "first_at": shown(START + 60), "last_at": shown(START + 300),
            "values": [null, 2, null, 4, 5, 6]}]});
    assert_eq!(told, expected);
}

#[test]
fn points_off_the_steps_keep_their_times() {
    let told = answer(&QueryResult::Matrix(vec![series("a", &[1.0, 2.0])]), &asked(None, 30_000));
    assert_eq!(told["series"][0]["time_and_value"], json!([[START, 1], [START + 60, 2]]));
    assert_eq!(told["series"][0]["trend"], "too few points");
}

#[test]
fn a_series_that_never_moves_is_one_number() {
    let told = answer(&QueryResult::Matrix(vec![series("a", &[7.0; 6])]), &asked(Some((WINDOW, STEP)), 30_000));
    assert_eq!(told["series"], json!([{"labels": {"ns": "shop", "pod": "a"}, "constant": 7, "points": 6}]));
    let told = answer(&QueryResult::Matrix(vec![series("a", &[f64::NAN; 2])]), &asked(Some((WINDOW, STEP)), 30_000));
    assert_eq!((&told["series"][0]["constant"], &told["series"][0]["points"]), (&json!("NaN"), &json!(2)));
}

#[test]
fn units_are_chosen_once_for_all() {
    let tell = |output: OutputType, values: &[f64]| {
        let asked = Asked { output, ..asked(Some((WINDOW, STEP)), 30_000) };
        let told = answer(&QueryResult::Matrix(vec![series("a", values)]), &asked);
        (told["unit"].clone(), told["series"][0]["max"].clone())
    };
    for (output, values, expected) in [
        (OutputType::Bytes, &[1_048_576.0, 3_221_225_472.0][..], (json!("GiB"), json!(3))),
        (OutputType::Bytes, &[12.0, 2.0], (json!("bytes"), json!(12))),
        (OutputType::Percentage, &[0.123, 0.5], (json!("%"), json!(50))),
        (OutputType::CpuUsage, &[0.25, 0.1], (json!("millicores"), json!(250))),
        (OutputType::CpuUsage, &[0.25, 2.0], (json!("cores"), json!(2))),
        (OutputType::Plain, &[0.25, 0.1], (json!(null), json!(0.25))),
    ] {
        assert_eq!(tell(output, values), expected, "{output:?} {values:?}");
    }
    for name in OutputType::NAMES {
        assert_eq!(OutputType::of(Some(name)) == OutputType::Plain, name == "Plain");
    }
}

#[test]
fn trends_are_called_when_they_explain_the_movement() {
    for (values, expected) in [
        (&[1.0, 2.0, 3.0, 4.0][..], "rising"),
        (&[4.0, 3.0, 2.5, 1.0], "falling"),
        (&[100.0, 101.0, 102.0, 103.0], "flat"),
        (&[5.0, 5.0, 5.0], "flat"),
        (&[0.0, 0.0, 0.0], "flat"),
        (&[1.0, 9.0, 1.0, 9.0, 1.0], "varying"),
        (&[1.0, 2.0], "too few points"),
        (&[], "unknown"),
    ] {
        assert_eq!(trend(&series("a", values).points), expected, "{values:?}");
    }
}

#[test]
fn what_is_too_large_loses_points_and_then_becomes_a_summary() {
    let many = |pods: usize| {
        QueryResult::Matrix(
            (0..pods).map(|n| series(&format!("pod-{n:03}"), &[0.3, 0.7, 0.3, 0.7, 0.3, n as f64 / 7.0])).collect(),
        )
    };
    let told = answer(&many(60), &asked(Some((WINDOW, STEP)), 10_300));
    assert!(told["series"][0].get("values").is_none() && told["series"][0]["last"].is_number(), "{told}");
    assert!(told["_message"].as_str().unwrap().contains("points are left out"));

    let told = answer(&many(60), &asked(Some((WINDOW, STEP)), 3_000));
    let summary = &told["data_summary"];
    assert_eq!((&summary["series_count"], &summary["total_points"]), (&json!(60), &json!(360)));
    assert_eq!(summary["narrowed_query"], "topk(5, sum by (pod) (x))");
    assert_eq!(summary["largest_now"][0]["labels"]["pod"], "pod-059");
    let labels: Vec<&String> = summary["label_cardinality"].as_object().unwrap().keys().collect();
    assert_eq!(labels, ["pod", "ns"], "the label that varies most comes first");
    assert_eq!(summary["label_cardinality"]["ns"], json!({"unique_values": 1, "top_values": {"shop": 60}}));
    assert!(told["_message"].as_str().unwrap().contains("the limit is 3000"));
}

#[test]
fn narrowed_queries_survive_comments_and_range_vectors() {
    assert_eq!(narrowed("up # all", false), "topk(5, up # all\n)");
    assert_eq!(narrowed("up[5m]", true), "topk(5, last_over_time(up[5m]))");
    assert_eq!(short(&"ü".repeat(500)).chars().count(), 120);
}

proptest! {
    #[test]
    fn rounding_stays_close(digits in 1.0_f64..10.0, exponent in -30_i32..30) {
        let value = digits * 10_f64.powi(exponent);
        let shown = rounded(value).as_f64().unwrap();
        prop_assert!((shown - value).abs() <= value.abs() * 1e-5, "{} {}", value, shown);
    }

    #[test]
    fn an_answer_fits_or_is_a_summary(pods in 0_usize..40, values in prop::collection::vec(prop::num::f64::ANY, 0..6), most in 500_usize..5_000) {
        let result = QueryResult::Matrix((0..pods).map(|n| series(&n.to_string(), &values)).collect());
        let told = answer(&result, &asked(Some((WINDOW, STEP)), most));
        prop_assert!(told.to_string().chars().count() <= most || told.get("data_summary").is_some());
    }
}
