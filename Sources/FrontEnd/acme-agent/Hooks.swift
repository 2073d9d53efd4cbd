import CertificateStore
import DurableFile
import Issuance
import JOSE
import StrictJSON

/// The user's programs that are run at certain steps.
enum Hooks {
    /// Longer than any reload; a program that hangs must not hold the certificate's lock forever.
    static let timeout: Duration = .seconds(300)

    /// The environment with which this process was started: a hook may find its credentials there.
    static var environment: ProgramEnvironment {
        ProgramEnvironment((try? DurableFile.read("/proc/self/environ", limit: 4 << 20)) ?? [])
    }

    static func program(_ path: String) -> ExternalProgram { ExternalProgram(path: path, environment: environment, timeout: timeout) }

    /// Refuses a deploy hook that could not be started, before anything is ordered.
    static func check(_ path: String) throws(Failure) {
        do throws(ExternalProgramError) { try program(path).check() } catch {
            throw .configuration(
                "the deploy hook cannot be used: \(error.description)",
                hint: "--deploy-hook names a program that this user may run; --reset-settings forgets the remembered one")
        }
    }

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
