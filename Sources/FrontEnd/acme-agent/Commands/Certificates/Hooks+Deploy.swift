import CertificateStore
import Issuance
import StrictJSON

extension Hooks {
    /// Deploys a certificate: runs `PROGRAM NAME FOLDER`, with the same and more in the environment and the certificate
    /// as JSON on standard input.
    static func deploy(_ path: String) -> IssuanceFlow.DeployHook {
        { certificate in
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
            try await program(path).run([certificate.name.rawValue, folder], environment: variables, input: input.bytes + [0x0A])
        }
    }
}
