import ACME
import ConfigurationFile
import DurableFile
import Glibc
import JOSE
import Keyring

/// An external account credential with its secret, read once at the start (RFC 8555 §7.3.4).
struct LoadedExternalAccount: Sendable {
    let directory: ACMEURL
    let account: ExternalAccount

    /// A MAC key is some 32 bytes; CAs give it in base64url.
    private static let sizeLimit = 4_096

    /// Reads the MAC key from its file, which nobody but root or the daemon may read.
    /// - Throws: `ConfigurationError`.
    init(_ setting: AgentConfiguration.ExternalAccountSetting, configuration: String) throws(ConfigurationError) {
        func fault(_ message: String) -> ConfigurationError {
            ConfigurationError(
                file: configuration, line: nil, message: "the external account \"\(setting.name)\": \(message)",
                hint: "the file holds the MAC key in base64url, as the CA gave it, mode 0600")
        }
        var bytes: [UInt8]
        do throws(OwnershipError) {
            bytes = try Ownership.read(setting.hmacKeyFile, as: .secret, limit: LoadedExternalAccount.sizeLimit)
        } catch { throw fault(error.description) }
        defer { bytes.withUnsafeMutableBytes { if let base = $0.baseAddress { explicit_bzero(base, $0.count) } } }
        if bytes.last == 0x0A { bytes.removeLast() }
        let key: HMACKey
        do { key = try bytes.withUnsafeBytes { try HMACKey(base64URL: $0) } } catch {
            throw fault("\(setting.hmacKeyFile) holds no MAC key: \(error)")
        }
        directory = setting.directory
        account = ExternalAccount(name: setting.name, keyID: setting.keyID, hmacKey: key)
    }
}
