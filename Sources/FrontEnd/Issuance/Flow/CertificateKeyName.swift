import ACME
import CertificateStore

/// Default names for certificate keys.
public enum CertificateKeyName {
    /// The names that keys of a certificate have had, up to the last one; none if its user chose that one.
    public static func all(for name: CertificateName, through last: KeyName) -> [KeyName] {
        /// More than a certificate that gets a new key every week has in a year.
        let limit = 64
        guard var next = try? first(for: name) else { return [] }
        var names = [next]
        while next != last {
            guard names.count < limit, let following = try? self.next(after: next) else { return [] }
            next = following
            names.append(next)
        }
        return names
    }

    /// The certificate's name; a long one is truncated. Leading `_` are dropped: a name given with `--name` may have
    /// them, a key's name may not.
    static func first(for name: CertificateName) throws -> KeyName {
        let text = name.rawValue.drop { $0 == "_" }
        return try KeyName(String(text.prefix(KeyName.maximumLength - 8)))
    }

    /// The next key of the same certificate: `www.example.org`, `www.example.org-2`, `www.example.org-3`.
    static func next(after name: KeyName) throws -> KeyName {
        let text = name.rawValue
        if let dash = text.lastIndex(of: "-"), let number = Int(text[text.index(after: dash)...]), (2..<1_000_000).contains(number) {
            return try KeyName(text[..<dash] + "-\(number + 1)")
        }
        return try KeyName(String(text.prefix(KeyName.maximumLength - 8)) + "-2")
    }
}
