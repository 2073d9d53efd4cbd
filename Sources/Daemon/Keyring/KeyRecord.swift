import ACME
import JOSE
import StrictJSON
import TokenProtocol

/// A key's entry on disk. The private half is in the token; this says which object it is and what it may be used for.
public struct KeyRecord: Sendable, Hashable {
    public static let formatVersion: Int64 = 1

    public var name: KeyName
    public var usage: KeyUsage
    public var algorithm: KeyAlgorithm
    public var state: SigningKey.State
    public var token: String
    /// CKA_ID.
    public var id: [UInt8]
    /// CKA_LABEL.
    public var label: String
    /// The pinned SubjectPublicKeyInfo; empty while the key is being made.
    public var spki: [UInt8]
    public var uri: String
    public var directory: ACMEURL?
    /// RFC 3339, UTC.
    public var created: String

    public init(
        name: KeyName, usage: KeyUsage, algorithm: KeyAlgorithm, state: SigningKey.State, token: String, id: [UInt8], label: String,
        spki: [UInt8], uri: String, directory: ACMEURL?, created: String
    ) {
        self.name = name
        self.usage = usage
        self.algorithm = algorithm
        self.state = state
        self.token = token
        self.id = id
        self.label = label
        self.spki = spki
        self.uri = uri
        self.directory = directory
        self.created = created
    }

    /// The entry's file: one line of JSON.
    public func json() -> [UInt8] {
        var json = JSONWriter(reservingCapacity: 1_024)
        json.beginObject()
        json.member("version", KeyRecord.formatVersion)
        json.member("name", name.rawValue)
        json.member("usage", usage.rawValue)
        json.member("algorithm", algorithm.rawValue)
        json.member("state", state.rawValue)
        json.member("token", token)
        json.member("id", Hexadecimal.encode(id))
        json.member("label", label)
        json.member("spki", Base64URL.encode(spki))
        json.member("uri", uri)
        json.member("directory", ifPresent: directory?.text)
        json.member("created", created)
        json.endObject()
        return json.bytes + [0x0A]
    }

    /// - Throws: an error that says what is wrong with the entry.
    public init(json bytes: [UInt8]) throws {
        let json = try JSONDocument(parsing: bytes).root.object()
        try json.finish(known: [
            "version", "name", "usage", "algorithm", "state", "token", "id", "label", "spki", "uri", "directory", "created",
        ])
        guard try json.integer("version") == KeyRecord.formatVersion else { throw JSONError(.invalidValue, offset: 0, member: "version") }
        guard let usage = KeyUsage(rawValue: try json.string("usage")) else {
            throw JSONError(.invalidValue, offset: 0, member: "usage")
        }
        guard let algorithm = KeyAlgorithm(rawValue: try json.string("algorithm")) else {
            throw JSONError(.invalidValue, offset: 0, member: "algorithm")
        }
        guard let state = SigningKey.State(rawValue: try json.string("state")) else {
            throw JSONError(.invalidValue, offset: 0, member: "state")
        }
        guard let id = Hexadecimal.decode(try json.string("id")) else { throw JSONError(.invalidValue, offset: 0, member: "id") }
        guard let spki = Base64URL.decode(try json.string("spki")) else { throw JSONError(.invalidValue, offset: 0, member: "spki") }
        self.init(
            name: try KeyName(try json.string("name")), usage: usage, algorithm: algorithm, state: state, token: try json.string("token"),
            id: id, label: try json.string("label"), spki: spki, uri: try json.string("uri"),
            directory: try json.optionalString("directory").map { try ACMEURL($0) }, created: try json.string("created"))
    }

    /// The key ready for use.
    /// - Throws: an error if the pinned public key is not valid or is not of the algorithm.
    public func signingKey() throws -> SigningKey {
        let publicKey = try PublicKey(spki: spki)
        guard publicKey.algorithm == algorithm else { throw JSONError(.invalidValue, offset: 0, member: "spki") }
        return try SigningKey(
            name: name, usage: usage, algorithm: algorithm, publicKey: publicKey, token: token,
            reference: TokenKeyReference(id: id, label: label, spki: spki), uri: uri, directory: directory, created: created, state: state)
    }
}
