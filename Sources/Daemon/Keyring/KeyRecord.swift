import ACME
import JOSE
import StrictJSON
import TokenProtocol

/// Why an entry of the key folder cannot be used; continues the text after the entry's name and a colon.
public struct KeyRecordError: Error, Hashable, Sendable, CustomStringConvertible {
    public let description: String
    public init(_ description: String) { self.description = description }
}

/// A key's entry on disk. The private half is in the token; this says which object it is and what it may be used for.
public struct KeyRecord: Sendable, Hashable {
    /// What a key that is not ready waits for.
    public enum Beginning: Sendable, Hashable {
        /// The token was asked for a pair with this CKA_ID; the label is the key's name.
        case making(id: [UInt8])
        /// The key of this RFC 7512 URI, which the token already has, was to get a name.
        case adopting(uri: String)
    }

    public enum State: Sendable, Hashable {
        /// The intent is on disk and the token has not answered yet. Found at a start, it means that the daemon was
        /// interrupted there.
        case creating(Beginning)
        case active(PinnedKey)
        case retired(PinnedKey)
    }

    public var name: KeyName
    public var usage: KeyUsage
    /// The ACME directory to which an account key is bound.
    public var directory: ACMEURL?
    /// The configured token's name.
    public var token: String
    /// RFC 3339, UTC.
    public var created: String
    public var state: State

    public init(name: KeyName, usage: KeyUsage, directory: ACMEURL?, token: String, created: String, state: State) {
        self.name = name
        self.usage = usage
        self.directory = directory
        self.token = token
        self.created = created
        self.state = state
    }

    /// The key that the entry pins; nil while it is being made or adopted.
    public var pinned: PinnedKey? {
        switch state {
        case .creating: nil
        case .active(let key), .retired(let key): key
        }
    }

    /// The entry in another state.
    public func with(_ state: State) -> KeyRecord {
        var record = self
        record.state = state
        return record
    }
}

extension KeyRecord {
    /// The format that is written. Version 1 had every member in every state, with placeholders for unknown values, and
    /// no weaknesses.
    public static let formatVersion: Int64 = 2

    private static let common: [String] = ["version", "name", "usage", "directory", "token", "created", "state"]
    private static let pinnedMembers: [String] = ["algorithm", "id", "label", "spki", "uri", "weaknesses"]

    /// The entry's file: one line of JSON.
    public func json() -> [UInt8] {
        var json = JSONWriter(reservingCapacity: 1_024)
        json.beginObject()
        json.member("version", KeyRecord.formatVersion)
        json.member("name", name.rawValue)
        json.member("usage", usage.rawValue)
        json.member("directory", ifPresent: directory?.text)
        json.member("token", token)
        json.member("created", created)
        switch state {
        case .creating(.making(let id)):
            json.member("state", "making")
            json.member("id", Hexadecimal.encode(id))
        case .creating(.adopting(let uri)):
            json.member("state", "adopting")
            json.member("uri", uri)
        case .active(let key):
            json.member("state", "active")
            KeyRecord.write(key, to: &json)
        case .retired(let key):
            json.member("state", "retired")
            KeyRecord.write(key, to: &json)
        }
        json.endObject()
        return json.bytes + [0x0A]
    }

    private static func write(_ key: PinnedKey, to json: inout JSONWriter) {
        json.member("algorithm", key.algorithm.rawValue)
        json.member("id", Hexadecimal.encode(key.reference.id))
        json.member("label", key.reference.label)
        json.member("spki", Base64URL.encode(key.reference.spki))
        json.member("uri", key.uri)
        if let weaknesses = key.weaknesses { json.member("weaknesses", weaknesses.names) }
    }

    /// Reads an entry of this format or of an older one.
    public init(json bytes: [UInt8]) throws(KeyRecordError) {
        guard !bytes.isEmpty else { throw KeyRecordError("it is empty") }
        do {
            let json = try JSONDocument(parsing: bytes).root.object()
            // First: what else a newer format has is unknown.
            switch try json.integer("version") {
            case 1: self = try KeyRecord(version1: json)
            case KeyRecord.formatVersion: self = try KeyRecord(version2: json)
            case let version where version > KeyRecord.formatVersion:
                throw KeyRecordError(
                    "it has format \(version), written by a newer version of the agent; this one reads up to \(KeyRecord.formatVersion)")
            case let version: throw KeyRecordError("it has format \(version), which never existed")
            }
        } catch let error as KeyRecordError {
            throw error
        } catch {
            throw KeyRecordError("\(error)")
        }
    }

    private init(version2 json: JSONObject) throws {
        let state = try json.string("state")
        switch state {
        case "making":
            try json.finish(known: KeyRecord.common + ["id"])
            self = try KeyRecord(json, .creating(.making(id: KeyRecord.bytes(json, "id", Hexadecimal.decode))))
        case "adopting":
            try json.finish(known: KeyRecord.common + ["uri"])
            self = try KeyRecord(json, .creating(.adopting(uri: json.string("uri"))))
        case "active", "retired":
            try json.finish(known: KeyRecord.common + KeyRecord.pinnedMembers)
            var weaknesses: KeyWeaknesses?
            if let names = try json.optionalStrings("weaknesses") {
                guard let known = KeyWeaknesses(names: names) else { throw KeyRecordError("it has an unknown weakness") }
                weaknesses = known
            }
            let key = try KeyRecord.pinned(json, weaknesses: weaknesses)
            self = try KeyRecord(json, state == "active" ? .active(key) : .retired(key))
        default: throw KeyRecordError("its state is unknown")
        }
    }

    private init(version1 json: JSONObject) throws {
        try json.finish(known: KeyRecord.common + ["algorithm", "id", "label", "spki", "uri"])
        switch try json.string("state") {
        case "creating":
            let uri = try json.string("uri")
            guard uri.isEmpty else {
                self = try KeyRecord(json, .creating(.adopting(uri: uri)))
                return
            }
            self = try KeyRecord(json, .creating(.making(id: KeyRecord.bytes(json, "id", Hexadecimal.decode))))
            guard try json.string("label") == name.rawValue else { throw KeyRecordError("its label is not the key's name") }
        case "active": self = try KeyRecord(json, .active(KeyRecord.pinned(json, weaknesses: nil)))
        case "retired": self = try KeyRecord(json, .retired(KeyRecord.pinned(json, weaknesses: nil)))
        default: throw KeyRecordError("its state is unknown")
        }
    }

    /// What all states and versions have in common.
    private init(_ json: JSONObject, _ state: State) throws {
        guard let usage = KeyUsage(rawValue: try json.string("usage")) else { throw KeyRecordError("its usage is unknown") }
        if case .creating(.making(let id)) = state, !(TokenLimits.uniqueID...TokenLimits.id).contains(id.count) {
            throw KeyRecordError("its id is not one that the agent makes")
        }
        self.init(
            name: try KeyName(try json.string("name")), usage: usage,
            directory: try json.optionalString("directory").map { try ACMEURL($0) }, token: try json.string("token"),
            created: try json.string("created"), state: state)
    }

    private static func pinned(_ json: JSONObject, weaknesses: KeyWeaknesses?) throws -> PinnedKey {
        let key = try PinnedKey(
            reference: TokenKeyReference(
                id: bytes(json, "id", Hexadecimal.decode), label: json.string("label"), spki: bytes(json, "spki", Base64URL.decode)),
            uri: json.string("uri"), weaknesses: weaknesses)
        guard try json.string("algorithm") == key.algorithm.rawValue else { throw KeyRecordError("its algorithm is not its public key's") }
        return key
    }

    private static func bytes(_ json: JSONObject, _ member: String, _ decode: (String) -> [UInt8]?) throws -> [UInt8] {
        guard let bytes = decode(try json.string(member)) else { throw KeyRecordError("its \(member) cannot be decoded") }
        return bytes
    }
}
