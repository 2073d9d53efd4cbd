import CoreMetrics
import Testing

@testable import PrometheusMetrics

/// Against the text format, version 0.0.4, as Prometheus documents it ("Exposition formats").
@Suite struct PrometheusRegistryTests {
    private let registry = PrometheusRegistry(
        [.init("requests_total", "All of \\ them.\nSecond line."), .init("seconds", "Time.", buckets: [0.5, 1])], seriesPerFamily: 3,
        longestValue: 8)

    @Test func familiesAndSeriesAreInOrder() {
        Counter(label: "requests_total", dimensions: [("b", "2"), ("a", "1")], factory: registry).increment(by: 3)
        Counter(label: "requests_total", dimensions: [("a", "0"), ("b", "2")], factory: registry).increment()
        Gauge(label: "level", factory: registry).record(1.5)
        Gauge(label: "level", factory: registry).record(2.5)
        #expect(
            registry.text() == """
                # TYPE level gauge
                level 2.5
                # HELP requests_total All of \\\\ them.\\nSecond line.
                # TYPE requests_total counter
                requests_total{a="0",b="2"} 1
                requests_total{a="1",b="2"} 3

                """)
    }

    /// Buckets are cumulative, a bound belongs to its bucket, and there is one for everything.
    @Test func aHistogramHasBucketsSumAndCount() {
        let timer = Timer(label: "seconds", dimensions: [("stage", "all")], factory: registry)
        for nanoseconds: Int64 in [250_000_000, 500_000_000, 1_000_000_000, 3_000_000_000] { timer.recordNanoseconds(nanoseconds) }
        #expect(
            registry.text() == """
                # HELP seconds Time.
                # TYPE seconds histogram
                seconds_bucket{stage="all",le="0.5"} 2
                seconds_bucket{stage="all",le="1"} 3
                seconds_bucket{stage="all",le="+Inf"} 4
                seconds_sum{stage="all"} 4.75
                seconds_count{stage="all"} 4

                """)
    }

    /// Names that callers choose fill no memory: what is beyond the limit is counted together, and nothing is lost.
    @Test func furtherSeriesAreCountedTogether() {
        for index in 0..<10 { Counter(label: "requests_total", dimensions: [("key", "k\(index)")], factory: registry).increment() }
        Counter(label: "requests_total", dimensions: [("key", "k1")], factory: registry).increment()
        let lines = registry.text().split(separator: "\n").filter { !$0.hasPrefix("#") }
        #expect(
            lines == [
                #"requests_total{key="k0"} 1"#, #"requests_total{key="k1"} 2"#, #"requests_total{key="k2"} 1"#,
                #"requests_total{key="other"} 7"#,
            ])
    }

    @Test(arguments: [
        ("a\"b\\c\nd", #"a\"b\\c\nd"#), ("123456789", "12345678"), ("ä€äää", "ä€ä"), ("\u{1B}[2J", "\u{FFFD}[2J"), ("", ""),
    ])
    func valuesAreCutAndEscaped(value: String, shown: String) {
        Counter(label: "requests_total", dimensions: [("key", value)], factory: registry).increment()
        #expect(registry.text().hasSuffix("requests_total{key=\"\(shown)\"} 1\n"), "\(registry.text())")
    }

    /// A label's value comes from callers, so it must not become another sample.
    @Test func aValueCannotAddALine() {
        Counter(label: "requests_total", dimensions: [("key", "x\"} 1\ny")], factory: registry).increment()
        #expect(registry.text().split(separator: "\n").count == 3)
    }

    @Test func aForgottenFamilyIsGoneAndCanComeBack() {
        Gauge(label: "level", dimensions: [("token", "old")], factory: registry).record(1)
        registry.forget("level")
        #expect(registry.text() == "")
        Gauge(label: "level", dimensions: [("token", "new")], factory: registry).record(2)
        #expect(registry.text() == "# TYPE level gauge\nlevel{token=\"new\"} 2\n")
    }

    /// The places of what is gone are free for others, and nothing else is lost.
    @Test func theSeriesOfOneValueCanBeForgotten() {
        func count(_ key: String, _ outcome: String) {
            Counter(label: "requests_total", dimensions: [("key", key), ("outcome", outcome)], factory: registry).increment()
        }
        count("k0", "signed")
        count("k0", "failed")
        count("k1", "signed")
        count("k2", "signed")
        registry.forget("requests_total", where: "key", is: "k0")
        // Nobody's, but of what is counted together.
        registry.forget("requests_total", where: "key", is: "other")
        registry.forget("requests_total", where: "outcome", is: "k1")
        registry.forget("unknown_total", where: "key", is: "k1")
        count("k3", "signed")
        let lines = registry.text().split(separator: "\n").filter { !$0.hasPrefix("#") }
        #expect(
            lines == [
                #"requests_total{key="k1",outcome="signed"} 1"#, #"requests_total{key="k3",outcome="signed"} 1"#,
                #"requests_total{key="other",outcome="other"} 1"#,
            ])
    }

    /// What an alert needs to tell apart stays apart, whoever filled the family.
    @Test func aLabelWithFewValuesStaysBeyondTheLimit() {
        let registry = PrometheusRegistry([.init("signatures_total", "", collapsed: ["key"])], seriesPerFamily: 2)
        for index in 0..<5 {
            Counter(label: "signatures_total", dimensions: [("key", "k\(index)"), ("outcome", "signed")], factory: registry).increment()
        }
        Counter(label: "signatures_total", dimensions: [("key", "k0"), ("outcome", "failed")], factory: registry).increment(by: 4)
        #expect(registry.text().contains("signatures_total{key=\"other\",outcome=\"signed\"} 3\n"))
        #expect(registry.text().contains("signatures_total{key=\"other\",outcome=\"failed\"} 4\n"))
    }

    /// Of two kinds under one name the first stays; the other is counted nowhere, instead of a text that no scraper takes.
    @Test func anotherKindUnderTheSameNameIsNotShown() {
        Counter(label: "requests_total", factory: registry).increment()
        Gauge(label: "requests_total", factory: registry).record(7)
        #expect(registry.text().hasSuffix("# TYPE requests_total counter\nrequests_total 1\n"))
    }

    @Test func aCounterNeverGoesBack() {
        let counter = Counter(label: "requests_total", factory: registry)
        counter.increment(by: 5)
        counter.increment(by: -3)
        #expect(registry.text().hasSuffix("requests_total 5\n"))
    }

    @Test func numbersAreReadableForPrometheus() {
        for (value, text) in [(0.0, "0"), (-1.25, "-1.25"), (1e18, "1000000000000000000"), (1e300, "1e+300"), (.infinity, "+Inf")] {
            Gauge(label: "level", factory: registry).record(value)
            #expect(registry.text().hasSuffix("level \(text)\n"))
        }
    }
}
