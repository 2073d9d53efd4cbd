import ACME
import CertificateStore
import Issuance
import StrictJSON

extension Hooks {
    /// Deploys a certificate: runs each `PROGRAM NAME FOLDER` in its turn, with the same and more in the environment and
    /// the certificate as JSON on standard input. Those that have succeeded for this generation do not run again: after
    /// a failure or a crash only the rest does.
    /// - Parameter oldKey: what happens to the replaced key once all have succeeded, remembered until then.
    static func deploy(
        _ paths: [String], stateDirectory: String, oldKey: IssuanceRequest.OldKey = .retire
    ) -> IssuanceFlow.DeployHook {
        { certificate in
            let name = certificate.name, generation = certificate.metadata.generation
            var record = HookRecord.read(name, stateDirectory: stateDirectory) ?? HookRecord(generation: generation)
            if record.generation != generation { record = HookRecord(generation: generation) }
            let before = record
            record.oldKey = oldKey == .retire ? nil : oldKey
            // What was removed from the settings.
            record.runs.removeAll { !paths.contains($0.program) }
            // Also if no hook is left to run, and before one does: a run that is cut off records no failure.
            if record != before { try record.write(name, stateDirectory: stateDirectory) }
            for path in paths where !record.hasSucceeded(path) {
                do throws(any Error) {
                    let output = try await deploy(certificate, path)
                    record.note(.init(program: path, time: Session.now, failure: nil, output: output))
                } catch let error as ExternalProgramError {
                    var plain = error
                    plain.output = []
                    let reason = plain.description
                    record.note(.init(program: path, time: Session.now, failure: reason, output: error.output))
                    // The failure itself takes precedence.
                    try? record.write(name, stateDirectory: stateDirectory)
                    throw error
                }
                try record.write(name, stateDirectory: stateDirectory)
            }
        }
    }

    private static func deploy(_ certificate: StoredCertificate, _ path: String) async throws -> [String] {
        let folder = certificate.folder ?? ""
        var variables = [
            "ACME_AGENT_CERTIFICATE": certificate.name.rawValue,
            "ACME_AGENT_FOLDER": folder,
            "ACME_AGENT_GENERATION": String(certificate.metadata.generation),
            "ACME_AGENT_IDENTIFIERS": certificate.metadata.identifiers.map(\.value).joined(separator: " "),
            "ACME_AGENT_KEY": certificate.metadata.key.name.rawValue,
        ]
        variables["ACME_AGENT_KEY_URI"] = certificate.metadata.key.uri
        var input = JSONWriter(reservingCapacity: 1024)
        CertificateReport(certificate).write(to: &input)
        return try await program(path).run([certificate.name.rawValue, folder], environment: variables, input: input.bytes + [0x0A])
    }
}
