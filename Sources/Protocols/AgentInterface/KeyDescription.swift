import ACME
import JOSE
import StrictJSON

/// Whether a key still signs.
public enum KeyState: String, Sendable {
    case active
    /// A certificate key signs only the revocation of its certificate, an account key nothing.
    case retired
}

/// A key as the agent describes it: type `Key` of the interface.
public struct KeyDescription: Sendable, Hashable {
    public var name: KeyName
    public var usage: KeyUsage
    public var algorithm: KeyAlgorithm
    public var state: KeyState
    public var publicKey: PublicKey
    /// The configured name of the key's token.
    public var token: String
    /// RFC 7512.
    public var uri: String
    /// The ACME directory to which an account key is bound.
    public var directory: String?
    /// RFC 3339, UTC.
    public var created: String
    /// Words for what the private key allows beyond signing; `nil` if that was not checked.
    public var weaknesses: [String]?
    /// The TLS operations that grants allow with the key, as far as the caller may know.
    public var handshakes: [String]

    public init(
        name: KeyName, usage: KeyUsage, algorithm: KeyAlgorithm, state: KeyState, publicKey: PublicKey, token: String, uri: String,
        directory: String?, created: String, weaknesses: [String]? = nil, handshakes: [String] = []
    ) {
        self.name = name
        self.usage = usage
        self.algorithm = algorithm
        self.state = state
        self.publicKey = publicKey
        self.token = token
        self.uri = uri
        self.directory = directory
        self.created = created
        self.weaknesses = weaknesses
        self.handshakes = handshakes
    }

    /// Lower-case hex of the SHA-256 of the SubjectPublicKeyInfo.
    public var fingerprint: String { Hexadecimal.encode(publicKey.fingerprint) }

    /// Writes the interface's `Key`.
    public func write(to json: inout JSONWriter) {
        json.beginObject()
        json.member("name", name.rawValue)
        json.member("usage", usage.rawValue)
        json.member("algorithm", algorithm.rawValue)
        json.member("state", state.rawValue)
        json.member("publicKey", publicKey.spkiPEM)
        json.member("jwk", raw: publicKey.jwk)
        json.member("thumbprint", publicKey.thumbprint)
        json.member("fingerprint", fingerprint)
        json.member("token", token)
        json.member("uri", uri)
        json.member("directory", ifPresent: directory)
        json.member("created", created)
        if let weaknesses { json.member("weaknesses", weaknesses) }
        json.member("handshakes", handshakes)
        json.endObject()
    }

    /// Reads a `Key` from a reply, with the public key from its JWK.
    /// - Throws: `AgentReplyError` if the reply does not match the interface.
    public init(reply json: JSONObject) throws(AgentReplyError) {
        do {
            guard let usage = KeyUsage(rawValue: try json.string("usage")),
                let algorithm = KeyAlgorithm(rawValue: try json.string("algorithm")),
                let state = KeyState(rawValue: try json.string("state"))
            else { throw AgentReplyError("a key with an unknown usage, algorithm or state") }
            self.init(
                name: try KeyName(json.string("name")), usage: usage, algorithm: algorithm, state: state,
                publicKey: try PublicKey(jwk: json.object("jwk")), token: try json.string("token"), uri: try json.string("uri"),
                directory: try json.optionalString("directory"), created: try json.string("created"),
                weaknesses: try json.optionalStrings("weaknesses"), handshakes: try json.optionalStrings("handshakes") ?? [])
        } catch let error as AgentReplyError {
            throw error
        } catch {
            throw AgentReplyError("an unreadable key: \(error)")
        }
    }
}

/// The agent's answer does not match its interface.
public struct AgentReplyError: Error, Sendable, CustomStringConvertible {
    public var description: String
    public init(_ what: String) { description = "the agent's reply has \(what)" }
}
