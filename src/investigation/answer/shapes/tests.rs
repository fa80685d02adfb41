use super::*;

/// Reading again from every brace would look at these texts thousands of times.
#[test]
fn work_is_bounded_by_the_length() {
    const REPEATS: usize = 2_000;
    let mut most = 0;
    for part in
        ["{a:1,#", "{\"a\":1,/*", "{", "{\"a\":[", "{'", "{}", "{\"severity\":1}", "```json {a:1,#", "{a:{b:{c:'"]
    {
        let text = part.repeat(REPEATS);
        let mut scan = Scan { text: &text, phase: Phase::Rca, spent: 0, broken: None };
        scan.largest(0, text.len());
        scan.largest(0, text.len());
        // The last attempt may begin just below the bound, and looks at the text once at most.
        assert!(scan.spent <= text.len() * (WORK_PER_BYTE_MAX + 2), "{part}: {} bytes of {}", scan.spent, text.len());
        most = most.max(scan.spent / text.len());
    }
    assert!(most >= WORK_PER_BYTE_MAX, "no text reaches the bound: {most}");
}

#[test]
fn fences_end_where_they_should() {
    let bodies = |text: &str| {
        let inner = fences(text).into_iter().filter(|fence| fence.start < fence.end);
        inner
            .map(|fence| (fence.is_tagged, text.get(fence.start..fence.end).unwrap().trim().to_owned()))
            .collect::<Vec<_>>()
    };
    let found = |is_tagged: bool, body: &str| (is_tagged, body.to_owned());
    for (text, expected) in [
        ("```json\n{}\n```", vec![found(true, "{}")]),
        ("a ```json {} ``` b ``` {1} ```", vec![found(true, "{}"), found(false, "{1}")]),
        ("```json\n{\"a\": \"```yaml```\"}\n```\n", vec![found(true, "{\"a\": \"```yaml```\"}")]),
        ("```json5\r\n{}\r\n  ```", vec![found(true, "{}")]),
        ("```python\n{}\n```\n```\n{}\n```", vec![found(false, "{}")]),
        ("```JSONC\n{}", vec![found(true, "{}")]),
        ("```", vec![]),
    ] {
        assert_eq!(bodies(text), expected, "{text}");
    }
}
