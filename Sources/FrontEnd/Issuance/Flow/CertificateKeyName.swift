import ACME
import CertificateStore

/// Default names for certificate keys.
enum CertificateKeyName {
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
