import CertificateStore
import Issuance

/// What a command did for the renewals of certificates.
struct RenewalReport: Sendable {
    var renewed: [IssuanceOutcome] = []
    var notDue: [StoredCertificate] = []
    var failed: [(name: CertificateName, failure: Failure)] = []
    /// Due, but no ACME CA renews them.
    var toRequest: [StoredCertificate] = []
    /// Due, but not tried.
    var postponed: [RenewalScheduler.Postponed] = []
    /// The CAs' windows for what is not due.
    var windows: [CertificateName: RenewalRecord.Window] = [:]

    /// Reports one certificate's failure; the others continue.
    mutating func add(_ failure: Failure, of name: CertificateName, _ output: Output) {
        failed.append((name, failure))
        output.reportPart(failure, of: name.rawValue)
    }
}
