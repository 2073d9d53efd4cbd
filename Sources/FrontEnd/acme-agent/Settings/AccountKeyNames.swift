import ACME
import Glibc

/// Default names of account keys.
///
/// Two users of one agent have two accounts: users who share an account share its contacts and its rate limits.
struct AccountKeyNames: Equatable {
    /// With the user and the CA's host and port, e.g. `account-anna-localhost-14000`.
    let own: KeyName
    /// Without the user, e.g. `account-localhost-14000`: the default where grants cover only this one.
    let shared: KeyName

    private static let prefix = "account-"
    /// What useradd(8) allows. It leaves half of a key's name to the host.
    private static let longestUserName = 32

    /// - Parameter user: the user's name or number.
    init(at directory: ACMEURL, user: String) throws(KeyNameError) {
        own = try Self.name(Self.prefix + user + "-", directory)
        shared = try Self.name(Self.prefix, directory)
    }

    private static func name(_ prefix: String, _ directory: ACMEURL) throws(KeyNameError) -> KeyName {
        var host = directory.host.map { $0 == ":" || $0 == "*" ? "-" : String($0) }.joined()
        if directory.port != 443 { host += "-\(directory.port)" }
        let room = KeyName.maximumLength - prefix.utf8.count
        // A longer host keeps its end: hosts of one provider often begin with the same labels.
        if host.utf8.count > room {
            let rest = host.utf8.suffix(max(room, 0)).drop { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-") }
            host = String(decoding: rest, as: UTF8.self)
        }
        return try KeyName(prefix + host)
    }

    /// The name with the user, unless grants cover the other one alone.
    func chosen(_ isGranted: (KeyName) -> Bool) -> KeyName { !isGranted(own) && isGranted(shared) ? shared : own }

    /// The user's part of a key's name: the number of a user whose name contains "-" or cannot be in a key's name. The
    /// part ends at the first "-", so that a grant of `account-web-*` does not cover the account of a user `web-admin`.
    static func user(named name: String?, number: UInt32) -> String {
        guard let name, !name.isEmpty, name.utf8.count <= longestUserName, !name.utf8.contains(UInt8(ascii: "-")),
            (try? KeyName(prefix + name)) != nil
        else { return "\(number)" }
        return name
    }

    /// The user of this process.
    static func currentUser() -> String {
        let number = geteuid()
        var buffer = [CChar](repeating: 0, count: 16 * 1024), entry = passwd(), found: UnsafeMutablePointer<passwd>?
        guard getpwuid_r(number, &entry, &buffer, buffer.count, &found) == 0, found != nil, let name = entry.pw_name else {
            return user(named: nil, number: number)
        }
        return user(named: String(validatingCString: name), number: number)
    }
}
