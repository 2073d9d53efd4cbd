import KeyEncoding

/// The file that names a key of the agent where a server expects a private key: the key's name and its public half,
/// nothing secret. The OpenSSL provider and AgentTLS read it (Docs/servers.md, Docs/clients.md).
///
/// ```
/// AgentKey ::= SEQUENCE {
///   version    INTEGER (1),
///   name       UTF8String,
///   socket     UTF8String OPTIONAL,
///   publicKey  SubjectPublicKeyInfo }
/// ```
public struct KeyFile: Hashable, Sendable {
    public static let label = "ACME AGENT KEY"

    /// The key's name in the agent, not checked.
    public var name: String
    /// The agent's socket, an absolute path; `nil` where readers have to know it.
    public var socket: String?
    public var publicKey: PublicKey

    /// Reads a file. Text outside its one block does not count, and other blocks do not either: some servers keep
    /// certificate and key in one file.
    public init(pem: [UInt8]) throws(JOSEError) {
        let blocks = PEM.blocks(pem, label: KeyFile.label)
        guard let block = blocks.first else { throw .invalidKeyFile("it has no \"\(KeyFile.label)\"") }
        guard blocks.count == 1 else { throw .invalidKeyFile("it names \(blocks.count) keys") }
        guard let der = block else { throw .invalidKeyFile("its content is not base64") }
        try self.init(der: der)
    }

    private init(der: [UInt8]) throws(JOSEError) {
        var outer = DERReader(der[...])
        guard var members = outer.reader(tag: .sequence), outer.isAtEnd, let version = members.content(tag: .integer) else {
            throw .invalidKeyFile("it is not DER")
        }
        guard version.elementsEqual([1]) else { throw .invalidKeyFile("its version is not 1: update this program") }
        guard let name = members.text() else { throw .invalidKeyFile("it has no key name") }
        self.name = name
        if let path = members.text() {
            guard path.utf8.first == UInt8(ascii: "/"), !path.utf8.contains(where: { $0 < 0x20 || $0 == 0x7F }) else {
                throw .invalidKeyFile("its socket is not an absolute path")
            }
            socket = path
        }
        publicKey = try PublicKey(spki: members.rest)
    }

    /// - Parameters:
    ///   - name: The key's name in the agent.
    ///   - socket: The agent's socket, an absolute path; `nil` where readers have to know it.
    ///   - spki: The key's SubjectPublicKeyInfo, DER.
    /// - Returns: PEM.
    public static func encode(name: String, socket: String?, spki: [UInt8]) -> [UInt8] {
        Array(PEM.encode(der(name: name, socket: socket, spki: spki), label: label).utf8)
    }

    /// The same without PEM.
    public static func der(name: String, socket: String?, spki: [UInt8]) -> [UInt8] {
        let place = socket.map { DERWriter.element(.utf8String, Array($0.utf8)) } ?? []
        return DERWriter.element(
            .sequence, DERWriter.unsignedInteger([1]), DERWriter.element(.utf8String, Array(name.utf8)), place, spki)
    }
}
