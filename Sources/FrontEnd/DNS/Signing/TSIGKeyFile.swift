import ACME
import DurableFile
import JOSE

/// A file with a key, as `nsupdate -k` takes it: a `key` statement of named.conf, as `tsig-keygen` writes it, or the pair
/// `K….key` and `K….private` of older tools.
public enum TSIGKeyFile {
    /// Bytes; a key has some 200.
    static let maximumSize = 16_384

    /// The group may read it, so that root can give the key to an unprivileged renewal; others may not, and nobody else
    /// may write.
    private static let rule = Ownership(owner: .rootOrSelf, forbidden: 0o037, judgesWay: true)

    /// - Parameter path: absolute. For a pair, either of its files.
    /// - Throws: `TSIGKeyFileError`.
    public static func read(_ path: String) throws(TSIGKeyFileError) -> TSIGKey {
        let pair = [".key", ".private"].first { path.hasSuffix($0) }.map { String(path.dropLast($0.count)) }
        guard let pair, pair.split(separator: "/").last?.first == "K" else { return try key(path, statement: try content(path)) }
        return try key(pair, record: try content(pair + ".key"), private: try content(pair + ".private"))
    }

    /// Checks the file without keeping the key.
    private static func content(_ path: String) throws(TSIGKeyFileError) -> String {
        let bytes: [UInt8]
        do throws(OwnershipError) {
            let file = try File.open(path, as: rule)
            do throws(FileError) { bytes = try file.read(limit: maximumSize) } catch { throw OwnershipError.system(error) }
        } catch {
            var hint: String?
            if case .distrusted(_, .readable) = error {
                hint = "whoever reads it can change the zone: chmod o= \(TerminalText.safe(path, limit: 300)), and make a new key"
            }
            let reason = if case .system = error { "cannot be read: \(error.reason)" } else { error.reason }
            throw TSIGKeyFileError(path: error.path, reason: reason, hint: hint)
        }
        guard let text = String(validating: bytes, as: UTF8.self) else { throw TSIGKeyFileError(path: path, reason: "is not text") }
        return text
    }

    // MARK: - named.conf

    static func key(_ path: String, statement text: String) throws(TSIGKeyFileError) -> TSIGKey {
        let hint = "tsig-keygen NAME > FILE writes such a file"
        guard let words = KeyStatement.words(of: text), let statement = KeyStatement(words) else {
            throw TSIGKeyFileError(path: path, reason: "is not one key statement of named.conf", hint: hint)
        }
        return try key(path, name: statement.name, algorithm: statement.algorithm, secret: statement.secret)
    }

    // MARK: - K….key and K….private

    /// The name is in the record of the first file, the rest in the second.
    static func key(_ path: String, record: String, private text: String) throws(TSIGKeyFileError) -> TSIGKey {
        var fields: [Substring: Substring] = [:]
        for line in text.split(whereSeparator: \.isNewline) {
            let parts = line.split(separator: ":", maxSplits: 1)
            if parts.count == 2 { fields[parts[0]] = parts[1].drop { $0 == " " } }
        }
        let words = record.split(whereSeparator: \.isWhitespace)
        guard let name = words.first, words.contains("KEY"), let number = fields["Algorithm"]?.split(separator: " ").first,
            let secret = fields["Key"]
        else {
            throw TSIGKeyFileError(
                path: path + ".private", reason: "and the .key file beside it are not a pair for TSIG", hint: "tsig-keygen NAME > FILE")
        }
        // As BIND numbers them.
        let names = [
            "157": "hmac-md5", "161": "hmac-sha1", "162": "hmac-sha224", "163": "hmac-sha256", "164": "hmac-sha384", "165": "hmac-sha512",
        ]
        let algorithm = names[String(number)] ?? String(number)
        return try key(path + ".private", name: String(name), algorithm: algorithm, secret: String(secret))
    }

    private static func key(_ path: String, name: String, algorithm: String, secret: String) throws(TSIGKeyFileError) -> TSIGKey {
        var lower = algorithm.lowercased()
        if lower.hasSuffix(".") { lower.removeLast() }
        guard let known = TSIGKey.Algorithm(rawValue: lower) else {
            throw TSIGKeyFileError(
                path: path, reason: "has a key for \(TerminalText.safe(algorithm, limit: 60)), which is not accepted",
                hint: "make a new one for both sides: tsig-keygen -a hmac-sha256 \(TerminalText.safe(name, limit: 100))")
        }
        guard let bytes = Base64.decode(Array(secret.utf8)), !bytes.isEmpty else {
            throw TSIGKeyFileError(path: path, reason: "has a secret that is not base64")
        }
        do throws(DNSError) { return try TSIGKey(name: try DomainName(name), algorithm: known, secret: bytes) } catch {
            throw TSIGKeyFileError(path: path, reason: "has a key without a valid name: \(error)")
        }
    }
}

/// Why a key cannot be used. It never has the secret.
public struct TSIGKeyFileError: Error, Hashable, Sendable, CustomStringConvertible {
    public var path: String
    /// In words that follow the path.
    public var reason: String
    public var hint: String?

    public var description: String { "the DNS key: \"\(TerminalText.safe(path, limit: 300))\" \(reason)" }
}

/// `key "name" { algorithm hmac-sha256; secret "…"; };`
private struct KeyStatement {
    var name = "", algorithm = "", secret = ""

    init?(_ words: [String]) {
        var rest = words[...]
        guard rest.popFirst() == "key", let name = rest.popFirst(), rest.popFirst() == "{" else { return nil }
        self.name = name
        while let word = rest.popFirst(), word != "}" {
            guard let value = rest.popFirst(), rest.popFirst() == ";" else { return nil }
            switch word {
            case "algorithm" where algorithm.isEmpty: algorithm = value
            case "secret" where secret.isEmpty: secret = value
            default: return nil
            }
        }
        guard rest.popFirst() == ";", rest.isEmpty, !algorithm.isEmpty, !secret.isEmpty else { return nil }
    }

    /// Words, quoted strings and the signs `{`, `}` and `;`, without comments in the three forms of named.conf.
    static func words(of text: String) -> [String]? {
        var words: [String] = []
        var word = ""
        var rest = text.unicodeScalars[...]
        func end() {
            if !word.isEmpty { words.append(word) }
            word = ""
        }
        while let scalar = rest.popFirst() {
            switch scalar {
            case "#": rest = rest.drop { $0 != "\n" }
            case "/" where word.isEmpty && rest.first == "/": rest = rest.drop { $0 != "\n" }
            case "/" where word.isEmpty && rest.first == "*":
                rest = rest.dropFirst()
                while !rest.isEmpty, !rest.starts(with: "*/".unicodeScalars) { rest = rest.dropFirst() }
                guard !rest.isEmpty else { return nil }
                rest = rest.dropFirst(2)
            case "\"":
                end()
                let string = rest.prefix { $0 != "\"" }
                rest = rest[string.endIndex...]
                guard rest.popFirst() != nil else { return nil }
                words.append(String(string))
            case "{", "}", ";":
                end()
                words.append(String(scalar))
            case " ", "\t", "\n", "\r": end()
            default: word.unicodeScalars.append(scalar)
            }
        }
        end()
        return words
    }
}
