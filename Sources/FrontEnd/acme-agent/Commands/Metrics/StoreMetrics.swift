import ACME
import CertificateStore
import CoreMetrics
import PrometheusMetrics

/// The metrics of the stored certificates. Each names its store, since the files of several users are read together.
struct StoreMetrics {
    /// Certificates of a store are the user's own, so their number is bounded only against a mistake.
    private static let series = 100_000
    /// Bytes of a label's value: the longest path (PATH_MAX). Two that are cut to the same would be one series.
    private static let longestValue = 4_096

    private enum Name {
        static let reachable = "acme_agent_reachable"
        static let refused = "acme_agent_metrics_refused"
        static let notAfter = "acme_agent_certificate_not_after_timestamp_seconds"
        static let notBefore = "acme_agent_certificate_not_before_timestamp_seconds"
        static let renewal = "acme_agent_certificate_renewal_timestamp_seconds"
        static let concern = "acme_agent_certificate_attention"
        static let failures = "acme_agent_certificate_failures"
        static let retry = "acme_agent_certificate_next_attempt_timestamp_seconds"
        static let damaged = "acme_agent_store_damaged"
        static let interrupted = "acme_agent_store_interrupted_orders"
        static let read = "acme_agent_store_read_timestamp_seconds"
    }

    private static let families: [PrometheusRegistry.Family] = [
        .init(Name.reachable, "Whether the agent answered."),
        .init(Name.refused, "Whether its policy refused the agent's metrics, which are missing then."),
        .init(Name.notAfter, "When the stored certificate expires, Unix seconds."),
        .init(Name.notBefore, "When the stored certificate becomes valid, Unix seconds."),
        .init(Name.renewal, "When a timer renews the certificate, Unix seconds."),
        .init(Name.concern, "1 for a certificate that needs attention, with the reason."),
        .init(
            Name.failures,
            "Failed attempts in a row, by CA and the last one's cause: \(FailureCause.allCases.map(\.rawValue).joined(separator: ", "))."),
        .init(Name.retry, "When the next attempt is made after a failed one, Unix seconds."),
        .init(Name.damaged, "Certificates and orders in the store that cannot be read."),
        .init(Name.interrupted, "Orders that were interrupted or have failed."),
        .init(Name.read, "When the store was read, Unix seconds."),
    ]

    /// What became of the question for the agent's metrics.
    enum Answer {
        case given, refused, unanswered, notAsked
    }

    private let registry = PrometheusRegistry(
        StoreMetrics.families, seriesPerFamily: StoreMetrics.series, longestValue: StoreMetrics.longestValue)

    var text: String { registry.text() }

    init(_ contents: StoreContents, _ session: Session, agent answer: Answer) async {
        if answer != .notAsked { set(Name.reachable, answer == .unanswered ? 0 : 1) }
        if answer == .given || answer == .refused { set(Name.refused, answer == .refused ? 1 : 0) }
        let store = [("store", session.settings.stateDirectory)]
        set(Name.read, Session.now, store)
        set(Name.damaged, Int64(contents.damaged.count), store)
        set(Name.interrupted, Int64(contents.interrupted.count), store)
        for report in contents.reports {
            let certificate = report.certificate, name = store + [("certificate", certificate.name.rawValue)]
            set(Name.notAfter, certificate.metadata.notAfter, name)
            set(Name.notBefore, certificate.metadata.notBefore, name)
            if let renewal = report.renewal { set(Name.renewal, renewal, name) }
            if let concern = report.concern { set(Name.concern, 1, name + [("reason", concern.rawValue)]) }
            set(report.failures, name)
        }
        // What has never been issued fails, too.
        for name in Set(contents.interrupted.map(\.name)).subtracting(contents.reports.map(\.certificate.name)) {
            guard let record = try? await session.store.renewalRecord(named: name) else { continue }
            set(record.failures, store + [("certificate", name.rawValue)])
        }
    }

    private func set(_ failures: [RenewalRecord.Failures], _ labels: [(String, String)]) {
        for failure in failures {
            let labels = labels + [("ca", failure.directory.text)]
            set(Name.failures, Int64(failure.count), labels + [("cause", FailureCause(failure).rawValue)])
            set(Name.retry, failure.next, labels)
        }
    }

    private func set(_ name: String, _ value: Int64, _ labels: [(String, String)] = []) {
        Gauge(label: name, dimensions: labels, factory: registry).record(value)
    }
}
