import ACME
import Crypto
import JOSE

/// The store's files under its state directory.
///
/// | path | what it is |
/// |---|---|
/// | `accounts/<host>[_<port>]_<16 hex of the directory URL's SHA-256>.json` | an account |
/// | `certificates/<name>/*.pem`, `cert.der`, `metadata.json` | links into `current` |
/// | `certificates/<name>/current` | a link to the current generation, changed atomically: all files change at once |
/// | `certificates/<name>/generations/<n>/` | the files themselves, never changed once they have this name |
/// | `certificates/<name>/state.json` | which generation was deployed, which revoked |
/// | `orders/<name>.json` | the journal of an unfinished order |
/// | `awaited/<name>.json` | a certificate that a CA without ACME is asked for, with its key |
/// | `compromised/<SHA-256 of the SPKI>.json` | a key that is not used again |
/// | `renewals/<name>.json` | when its CA wants it renewed, and which attempts failed |
/// | `renewals/orders/<as accounts>.json` | the orders placed at a CA of late |
/// | `outgoing/<SHA-256 of the SPKI>.json` | a replaced key that will be retired or deleted |
/// | `installed` | empty, written after each installation: a service manager may watch it |
/// | `locks/<name>.lock` | held while a process works on the certificate, then removed; names the process |
/// | `locks/account:<as accounts>.lock` | the same for an account whose key or place at the CA changes |
///
/// The modes do not depend on the umask. All users may read certificates, so that servers can; owner and group may read
/// `key.pem`, and only the owner the rest.
///
/// | what | mode |
/// |---|---|
/// | the state directory, `certificates` and the folders below it | 0755 |
/// | certificates, `metadata.json`, `state.json`, `installed` | 0644 |
/// | `key.pem`: no secret, but libpq and others refuse a key file that all users may read | 0640 |
/// | `accounts`, `orders`, `awaited`, `compromised`, `outgoing`, `renewals`, `locks` | 0700 |
/// | their files | 0600 |
///
/// An existing folder keeps its mode. A program that reads several files of one generation opens the folder that
/// `current` points to first.
struct FolderLayout: Sendable {
    var root: String

    /// The files of a generation that all users may read.
    static let files = ["cert.pem", "chain.pem", "fullchain.pem", "cert.der", "metadata.json"]
    /// The file of a generation that names its key (`KeyFile`).
    static let keyFile = "key.pem"
    static let certificatesFolder = "certificates"
    static let generationsFolder = "generations"
    static let locksFolder = "locks"
    static let currentLink = "current"
    static let stateFile = "state.json"
    /// A generation that has no number yet.
    static let newGeneration = ".new"
    static let publicFolder: UInt32 = 0o755
    static let publicFile: UInt32 = 0o644
    static let keyFileMode: UInt32 = 0o640
    static let privateFolder: UInt32 = 0o700
    static let privateFile: UInt32 = 0o600
    /// How deep a folder of the store is removed: the store's own are two deep, and a person may have added some.
    static let depth = 4
    /// Older generations that are kept, to go back by hand.
    static let olderGenerations = 2

    var accounts: String { root + "/accounts" }
    var certificates: String { root + "/" + FolderLayout.certificatesFolder }
    var orders: String { root + "/orders" }
    var compromisedKeys: String { root + "/compromised" }
    var outgoingKeys: String { root + "/outgoing" }
    var renewals: String { root + "/renewals" }
    var orderCounts: String { renewals + "/orders" }
    var awaitedFolder: String { root + "/awaited" }
    var locks: String { root + "/" + FolderLayout.locksFolder }
    var installationSignal: String { root + "/installed" }

    func account(_ directory: ACMEURL) -> String { "\(accounts)/\(FolderLayout.file(of: directory))" }
    func orderCount(_ directory: ACMEURL) -> String { "\(orderCounts)/\(FolderLayout.file(of: directory))" }

    /// The file of a CA.
    private static func file(of directory: ACMEURL) -> String {
        let digest = SHA256.hash(data: Array(directory.text.utf8)).prefix(8)
        let host = String(directory.host.map { $0 == ":" ? "-" : $0 }.prefix(128))
        let port = directory.port == 443 ? "" : "_\(directory.port)"
        return "\(host)\(port)_\(Hexadecimal.encode(digest)).json"
    }

    func certificate(_ name: CertificateName) -> String { "\(certificates)/\(name.rawValue)" }
    func current(_ name: CertificateName) -> String { certificate(name) + "/" + FolderLayout.currentLink }
    func generations(_ name: CertificateName) -> String { certificate(name) + "/" + FolderLayout.generationsFolder }
    func generation(_ name: CertificateName, _ number: Int) -> String { "\(generations(name))/\(number)" }
    func state(_ name: CertificateName) -> String { certificate(name) + "/" + FolderLayout.stateFile }
    func order(_ name: CertificateName) -> String { "\(orders)/\(name.rawValue).json" }
    func awaited(_ name: CertificateName) -> String { "\(awaitedFolder)/\(name.rawValue).json" }
    func renewal(_ name: CertificateName) -> String { "\(renewals)/\(name.rawValue).json" }
    func compromisedKey(_ fingerprint: String) -> String? { FolderLayout.file(of: fingerprint).map { "\(compromisedKeys)/\($0)" } }
    func outgoingKey(_ fingerprint: String) -> String? { FolderLayout.file(of: fingerprint).map { "\(outgoingKeys)/\($0)" } }

    /// - Returns: `nil` for a text that is not a fingerprint, and so not a safe file name.
    private static func file(of fingerprint: String) -> String? {
        guard fingerprint.utf8.count == 2 * SHA256.byteCount, let digest = Hexadecimal.decode(fingerprint) else { return nil }
        return Hexadecimal.encode(digest) + ".json"
    }
    func lock(_ name: CertificateName) -> String { "\(locks)/\(name.rawValue).lock" }

    func accountLock(_ directory: ACMEURL) -> String { "\(locks)/account:\(FolderLayout.file(of: directory)).lock" }

    /// The name of a certificate's folder while it is being removed.
    static func removed(_ name: CertificateName) -> String { ".removed-\(name.rawValue)" }

    /// The generation's number from the target of `current`.
    static func number(ofTarget target: String) -> Int? {
        let prefix = "generations/"
        guard target.utf8.starts(with: prefix.utf8) else { return nil }
        let digits = target.utf8.dropFirst(prefix.utf8.count)
        guard digits.allSatisfy({ $0 >= 0x30 && $0 <= 0x39 }) else { return nil }
        return Int(String(decoding: digits, as: UTF8.self))
    }
}
