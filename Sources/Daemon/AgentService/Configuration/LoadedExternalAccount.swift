import ACME
import DurableFile
import Glibc
import JOSE
import Keyring

/// An external account credential with its secret, read together with the configuration (RFC 8555 §7.3.4).
struct LoadedExternalAccount: Sendable {
    let directory: ACMEURL
    let account: ExternalAccount

    /// Why there is no secret; continues the text after "hmac-key-file".
    struct Fault: Error {
        let message: String
    }

    /// A MAC key has about 32 bytes; CAs give it in base64url.
    private static let sizeLimit = 4_096

    /// Reads the MAC key from its file, which only root and the daemon may be able to read.
    static func load(_ setting: AgentConfiguration.ExternalAccountSetting) -> Result<LoadedExternalAccount, Fault> {
        var bytes: [UInt8]
        do throws(OwnershipError) { bytes = try ProtectedFile.read(setting.hmacKeyFile, as: .secret, limit: sizeLimit) } catch {
            return .failure(Fault(message: "cannot be used: \(error)"))
        }
        defer { bytes.withUnsafeMutableBytes { if let base = $0.baseAddress { explicit_bzero(base, $0.count) } } }
        if bytes.last == 0x0A { bytes.removeLast() }
        do {
            let key = try bytes.withUnsafeBytes { try HMACKey(base64URL: $0) }
            return .success(
                LoadedExternalAccount(
                    directory: setting.directory, account: ExternalAccount(name: setting.name, keyID: setting.keyID, hmacKey: key)))
        } catch {
            return .failure(
                Fault(
                    message:
                        "cannot be used: \(setting.hmacKeyFile) holds no MAC key (\(error)); it must be one line of base64url, as the CA gave it"
                ))
        }
    }
}
