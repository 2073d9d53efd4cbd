import ACME
import CertificateStore
import ConfigurationFile
import DurableFile
import Glibc
import Issuance

/// What root may act upon: files that only root can change, with every folder and link on their way.
enum RootOwned {
    /// The settings of a configuration, read from the file that was checked.
    static func configuration(_ path: String) throws(Failure) -> SettingsFile {
        do {
            let absolute = try AbsolutePath.of(path)
            let file = try TrustedWay(to: absolute).open(as: .configuration)
            return try SettingsFile(ConfigurationFile.parse(try file.read(limit: ConfigurationFile.sizeLimit), file: path))
        } catch let error as OwnershipError {
            throw refusal("the configuration", path, error)
        } catch { throw Failure(error) }
    }

    /// The system's roots of CAs: of Debian, and of Fedora.
    private static let systemTrust = ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"]
    /// In bytes. The system's file has a quarter of a mebibyte.
    private static let longestTrust = 16 << 20

    /// The roots of CAs in a file.
    /// - Parameter path: `nil` for the system's.
    static func anchors(_ path: String?) throws(Failure) -> TrustAnchors {
        let path = path ?? systemTrust.first { access($0, F_OK) == 0 } ?? systemTrust[0]
        do {
            return try TrustAnchors(pem: TrustedWay(to: path).open(as: .configuration).read(limit: longestTrust), path: path)
        } catch let error as OwnershipError {
            throw refusal("the file with the roots of CAs", path, error)
        } catch {
            let failure = Failure(error)
            throw .configuration(
                "the file with the roots of CAs \"\(TerminalText.safe(path))\" cannot be used: \(failure.message)",
                hint: "root-deploy-trust names a PEM file; without it, the system's package ca-certificates is needed")
        }
    }

    /// Checks a program, and that it can be started.
    static func check(program path: String) throws(Failure) {
        do throws(OwnershipError) { try TrustedWay(to: path).check(as: .configuration) } catch {
            throw refusal("the hook", path, error)
        }
        do throws(ExternalProgramError) { try Hooks.program(path).check() } catch {
            throw .configuration(
                "the hook cannot be used: \(error.description)",
                hint: "it must be a program, or an executable script whose first line is #! and its interpreter")
        }
    }

    /// Checks the folder of root's copies, or the one above it if it has yet to be made.
    static func check(folder path: String) throws(Failure) {
        do throws(OwnershipError) {
            _ = try Folder.open(path, as: Ownership(owner: .own, forbidden: 0o022, judgesWay: true))
        } catch {
            guard error.isMissing else { throw refusal("the folder", path, error) }
            let above = DurableFile.parent(of: path)
            do throws(OwnershipError) { _ = try Folder.open(above, as: .configuration) } catch { throw refusal("the folder", above, error) }
        }
    }

    private static func refusal(_ what: String, _ path: String, _ error: OwnershipError) -> Failure {
        let shown = TerminalText.safe(path)
        let cause = error.path == path ? error.reason : "cannot be trusted: \(error.description)"
        return .configuration(
            "\(what) \"\(shown)\" \(TerminalText.safe(cause))",
            hint: "it is used as root: it and every folder above it must belong to root, and no other user may write to them")
    }
}
