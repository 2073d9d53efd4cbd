import ACME
import StrictJSON

/// A certificate in the store: the current generation and its state.
public struct StoredCertificate: Sendable {
    public var name: CertificateName
    public var metadata: CertificateMetadata
    /// Leaf first.
    public var chain: CertificateChain
    /// The last generation for which the deploy hook ran.
    public var deployedGeneration: Int?
    /// The last generation that was revoked.
    public var revokedGeneration: Int?
    /// Where `cert.pem`, `chain.pem`, `fullchain.pem`, `cert.der`, `key.pem` and `metadata.json` are; `nil` in a store
    /// without files.
    public var folder: String?

    public init(
        name: CertificateName, metadata: CertificateMetadata, chain: CertificateChain, deployedGeneration: Int? = nil,
        revokedGeneration: Int? = nil, folder: String? = nil
    ) {
        self.name = name
        self.metadata = metadata
        self.chain = chain
        self.deployedGeneration = deployedGeneration
        self.revokedGeneration = revokedGeneration
        self.folder = folder
    }

    /// The certificate's name for RFC 9773; `nil` if it has no authority key identifier.
    public var certID: String? {
        chain.authorityKeyIdentifier.map {
            RenewalInformation.certID(authorityKeyIdentifier: $0, serialNumber: chain.serialNumber)
        }
    }

    public var isDeployed: Bool { deployedGeneration == metadata.generation }
    public var isRevoked: Bool { revokedGeneration == metadata.generation }
}

/// A private key as the store knows it: a reference, never a file.
public struct KeyReference: Hashable, Sendable {
    /// The key's name in the agent; written as `acme-agent:<name>`.
    public var name: KeyName
    /// RFC 7512 `pkcs11:` URI of the key, for programs that use the token directly.
    public var uri: String?
    /// SHA-256 of the SPKI, lower-case hex.
    public var fingerprint: String

    public init(name: KeyName, uri: String? = nil, fingerprint: String) {
        self.name = name
        self.uri = uri
        self.fingerprint = fingerprint
    }

    static let scheme = "acme-agent:"
    /// `acme-agent:<name>`
    public var reference: String { KeyReference.scheme + name.rawValue }
}

/// The contents of `metadata.json`, for one generation.
public struct CertificateMetadata: Hashable, Sendable {
    public var name: CertificateName
    /// Starts at 1 and grows by one with each renewal.
    public var generation: Int
    public var identifiers: [Identifier]
    public var key: KeyReference
    /// The directory of the CA that renews it; `nil` if it came from elsewhere, and no ACME CA renews it.
    public var directory: ACMEURL?
    public var account: ACMEURL?
    public var order: ACMEURL?
    /// The URL from which the chain was downloaded.
    public var certificate: ACMEURL?
    public var profile: String?
    /// The serial number's content bytes, lower-case hex.
    public var serial: String
    /// Unix seconds.
    public var notBefore: Int64
    public var notAfter: Int64
    /// When it was installed, Unix seconds.
    public var installed: Int64
}

extension CertificateMetadata: StoreDocument {
    static let kind = "certificate"
    /// Format 2 has no `directory`, where no ACME CA renews the certificate.
    static let version: Int64 = 2
    var format: Int64 { directory == nil ? 2 : 1 }

    func write(_ writer: inout JSONWriter) {
        writer.member("name", name.rawValue)
        writer.member("generation", generation)
        writer.name("identifiers")
        IdentifierList.write(identifiers, &writer)
        writer.name("privateKey")
        writer.beginObject()
        writer.member("reference", key.reference)
        writer.member("uri", ifPresent: key.uri)
        writer.member("fingerprint", key.fingerprint)
        writer.endObject()
        writer.member("directory", ifPresent: directory?.text)
        writer.member("account", ifPresent: account?.text)
        writer.member("order", ifPresent: order?.text)
        writer.member("certificate", ifPresent: certificate?.text)
        writer.member("profile", ifPresent: profile)
        writer.member("serial", serial)
        writer.member("notBefore", RFC3339.string(notBefore))
        writer.member("notAfter", RFC3339.string(notAfter))
        writer.member("installed", RFC3339.string(installed))
    }

    init(_ object: JSONObject) throws {
        try object.finish(known: [
            "version", "kind", "name", "generation", "identifiers", "privateKey", "directory", "account", "order", "certificate", "profile",
            "serial", "notBefore", "notAfter", "installed",
        ])
        func time(_ member: String) throws -> Int64 {
            guard let seconds = RFC3339.seconds(try object.string(member)) else {
                throw JSONError(.invalidValue, offset: 0, member: member)
            }
            return seconds
        }
        func url(_ member: String) throws -> ACMEURL? { try object.optionalString(member).map { try ACMEURL($0) } }
        let privateKey = try object.object("privateKey")
        try privateKey.finish(known: ["reference", "uri", "fingerprint"])
        let reference = try privateKey.string("reference")
        guard reference.utf8.starts(with: KeyReference.scheme.utf8) else { throw JSONError(.invalidValue, offset: 0, member: "reference") }
        let keyName = try KeyName(String(decoding: reference.utf8.dropFirst(KeyReference.scheme.utf8.count), as: UTF8.self))
        name = try CertificateName(object.string("name"))
        generation = Int(try object.integer("generation"))
        identifiers = try IdentifierList.read(object, "identifiers")
        key = KeyReference(
            name: keyName, uri: try privateKey.optionalString("uri"), fingerprint: try privateKey.string("fingerprint"))
        directory = try url("directory")
        guard try directory != nil || object.integer("version") >= 2 else {
            throw JSONError(.missingMember, offset: 0, member: "directory")
        }
        account = try url("account")
        order = try url("order")
        certificate = try url("certificate")
        profile = try object.optionalString("profile")
        serial = try object.string("serial")
        notBefore = try time("notBefore")
        notAfter = try time("notAfter")
        installed = try time("installed")
    }
}

/// What changes without a new generation: `state.json`.
struct CertificateState: StoreDocument {
    static let kind = "certificate-state"
    var deployed: Int?
    var revoked: Int?

    init() {}

    func write(_ writer: inout JSONWriter) {
        writer.member("deployed", ifPresent: deployed.map { Int64($0) })
        writer.member("revoked", ifPresent: revoked.map { Int64($0) })
    }

    init(_ object: JSONObject) throws {
        try object.finish(known: ["version", "kind", "deployed", "revoked"])
        deployed = try object.optionalInteger("deployed").map { Int($0) }
        revoked = try object.optionalInteger("revoked").map { Int($0) }
    }
}
