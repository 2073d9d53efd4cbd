import ACME
import CertificateStore
import Glibc
import Issuance
import StrictJSON

extension Session {
    /// Runs work on a certificate. If it fails, the failure hook is told, once; its own failure is only a warning.
    func callingFailureHook<Result: Sendable>(
        of name: CertificateName, _ certificate: CertificateSettings, _ work: () async throws -> Result
    ) async throws -> Result {
        do { return try await work() } catch {
            try Task.checkCancellation()
            // Another run that works on the certificate is no failure: it tells the hook of its own.
            if let error = error as? StoreError, error.reason == .locked { throw error }
            await callFailureHook(of: name, certificate, Failure(error))
            throw error
        }
    }

    /// Tells the failure hook, if there is one. Its own failure is only a warning.
    func callFailureHook(of name: CertificateName, _ certificate: CertificateSettings, _ failure: Failure) async {
        guard let path = certificate.failureHook else { return }
        do { try await Hooks.fail(path, name, failure, stored: try? await store.certificate(named: name)) } catch {
            guard !(error is CancellationError) else { return }
            let lines = "\(error)".split(separator: "\n").map { $0.drop { $0 == " " } }.joined(separator: " ")
            output.warning("the failure hook of \(name) failed: \(lines)")
        }
    }
}

extension Hooks {
    /// Runs a failure hook: `PROGRAM NAME CODE`, with the same and more in the environment, and as JSON on standard input.
    /// - Parameter stored: what is in use; without a certificate there is nothing that ends.
    static func fail(_ path: String, _ name: CertificateName, _ failure: Failure, stored: StoredCertificate?) async throws {
        let days = stored.map { ($0.metadata.notAfter &- Session.now) / 86_400 }
        var variables = [
            "ACME_AGENT_CERTIFICATE": name.rawValue, "ACME_AGENT_ERROR": failure.code, "ACME_AGENT_MESSAGE": failure.message,
        ]
        variables["ACME_AGENT_DAYS_LEFT"] = days.map { String($0) }
        var input = JSONWriter(reservingCapacity: 1024)
        input.beginObject()
        input.member("name", name.rawValue)
        input.member("daysLeft", ifPresent: days)
        input.name("error")
        failure.write(to: &input)
        if let stored {
            input.name("certificate")
            CertificateReport(stored).write(to: &input)
        }
        input.endObject()
        try await program(path).run([name.rawValue, failure.code], environment: variables, input: input.bytes + [0x0A])
    }
}
