import ACME
import Crypto
import JOSE
import TokenProtocol

/// One signature that the token must make.
public struct SigningTask: Sendable {
    public let key: SigningKey
    public let mechanism: SigningMechanism
    public let input: SigningInput
    public let padding: RSAPadding
    /// What is signed, for the audit trail: `jws`, `csr`, `key-change-inner`, or which handshake.
    public let what: String

    init(_ what: String, key: SigningKey, bytes: [UInt8]) {
        self.what = what
        self.key = key
        self.padding = .pkcs1
        switch key.algorithm {
        case .p256:
            mechanism = .ecdsa
            input = .sha256(SHA256.hash(data: bytes))
        case .p384:
            mechanism = .ecdsa
            input = .sha384(SHA384.hash(data: bytes))
        case .rsa2048, .rsa3072, .rsa4096:
            mechanism = .rsaPKCS1SHA256
            input = .sha256(SHA256.hash(data: bytes))
        case .ed25519:
            mechanism = .ed25519
            input = .message(bytes)
        }
    }

    init(_ what: String, key: SigningKey, mechanism: SigningMechanism, input: SigningInput, padding: RSAPadding) {
        self.what = what
        self.key = key
        self.mechanism = mechanism
        self.input = input
        self.padding = padding
    }

    /// The bytes that go to the token. ECDSA takes as many of a digest's leftmost bits as the order of the curve has (FIPS
    /// 186-5 §6.4.1). TLS 1.2 has digests that are longer or shorter. What the token gets always has the curve's length:
    /// a longer digest is cut, and a shorter one begins with zeros, which is the same number.
    public var tokenInput: [UInt8] {
        let bytes = input.tokenInput
        let length: Int
        switch key.algorithm {
        case .p256: length = 32
        case .p384: length = 48
        case .rsa2048, .rsa3072, .rsa4096, .ed25519: return bytes
        }
        if bytes.count == length { return bytes }
        return bytes.count > length ? Array(bytes.prefix(length)) : [UInt8](repeating: 0, count: length - bytes.count) + bytes
    }

    /// Whether the token's answer is a signature of the pinned key.
    public func accepts(_ signature: [UInt8]) -> Bool { key.verifier.accepts(signature, over: input, padding: padding) }
}

/// The result of a plan.
public struct SignedMeaning: Sendable {
    public var jws: FlattenedJWS?
    /// PKCS#10, DER.
    public var certificateRequest: [UInt8]?
    /// A TLS handshake signature in TLS encoding.
    public var handshake: [UInt8]?
}

/// A request that cannot be composed; nothing was signed.
public struct CompositionError: Error, Sendable, CustomStringConvertible {
    public var parameter: String
    public var description: String

    public init(_ parameter: String, _ description: String) {
        self.parameter = parameter
        self.description = description
    }
}

/// The credential of an external account (RFC 8555 §7.3.4).
public struct ExternalAccount: Sendable {
    public var name: String
    public var keyID: String
    public var hmacKey: HMACKey

    public init(name: String, keyID: String, hmacKey: HMACKey) {
        self.name = name
        self.keyID = keyID
        self.hmacKey = hmacKey
    }
}

/// How a request becomes signatures: one for most, two if it contains a CSR or an inner JWS. A plan always has
/// something to sign; the signature leads to another plan or to the result. It does not know the token.
public struct SigningPlan: Sendable {
    public enum Step: Sendable {
        case sign(SigningPlan)
        case done(SignedMeaning)
    }

    /// What a JWS has besides its payload.
    struct Envelope: Sendable {
        var key: SigningKey
        var url: ACMEURL
        var nonce: String
        var account: ACMEURL?

        func signingInput(payload: [UInt8]) -> JWSSigningInput {
            let header = JWSProtectedHeader(
                alg: key.algorithm.jwsAlgorithm, nonce: nonce, url: url.text,
                key: account.map { .kid($0.text) } ?? .jwk(key.publicKey))
            return JWSSigningInput(header: header, payload: payload)
        }
    }

    /// What the signature is for.
    private enum Purpose: Sendable {
        case jws(JWSSigningInput, certificateRequest: [UInt8]?)
        case csr(PendingCertificateRequest)
        /// Of a finalization: the CSR goes into a JWS.
        case finalization(PendingCertificateRequest, CertificateRequest, Envelope)
        case innerKeyChange(JWSSigningInput, Envelope)
        case handshake
    }

    /// What to sign now.
    public let task: SigningTask
    private let purpose: Purpose

    private init(_ task: SigningTask, for purpose: Purpose) {
        self.task = task
        self.purpose = purpose
    }

    /// The plan for a message whose payload is known.
    static func message(_ envelope: Envelope, payload: [UInt8], certificateRequest: [UInt8]? = nil) -> SigningPlan {
        let input = envelope.signingInput(payload: payload)
        return SigningPlan(
            SigningTask("jws", key: envelope.key, bytes: input.bytes), for: .jws(input, certificateRequest: certificateRequest))
    }

    /// A plan for an ACME request.
    /// - Parameters:
    ///   - otherKey: the certificate key of a finalization, or the new account key of a key change.
    ///   - externalAccount: the credential that a newAccount names.
    /// - Throws: `CompositionError` if such a key may not sign the request.
    public static func plan(
        _ request: ACMERequest, key: SigningKey, url: ACMEURL, nonce: String, account: ACMEURL?, otherKey: SigningKey? = nil,
        externalAccount: ExternalAccount? = nil
    ) throws(CompositionError) -> SigningPlan {
        let envelope = Envelope(key: key, url: url, nonce: nonce, account: account)
        do { try request.validate() } catch { throw CompositionError(error.member, error.reason) }
        try checkUsage(of: key, request: request, account: account)
        try checkTarget(request, url: url, account: account)
        switch request {
        case .newAccount(let newAccount):
            var binding: FlattenedJWS?
            if let externalAccount {
                binding = ExternalAccountBinding.jws(
                    keyID: externalAccount.keyID, hmacKey: externalAccount.hmacKey, accountKey: key.publicKey, url: url)
            }
            return message(envelope, payload: newAccount.payload(externalAccountBinding: binding))
        case .updateAccount(let update): return message(envelope, payload: update.payload())
        case .deactivateAccount, .deactivateAuthorization: return message(envelope, payload: Deactivation.payload())
        case .newOrder(let order): return message(envelope, payload: order.payload())
        case .postAsGet: return message(envelope, payload: [])
        case .respondToChallenge: return message(envelope, payload: ChallengeResponse.payload())
        case .revokeCertificate(let revocation): return message(envelope, payload: revocation.payload())
        case .finalize(let certificateRequest):
            guard let otherKey else { throw CompositionError("certificateKey", "is not a key") }
            let pending = try pending(certificateRequest, otherKey)
            return SigningPlan(
                SigningTask("csr", key: otherKey, bytes: pending.infoBytes), for: .finalization(pending, certificateRequest, envelope))
        case .keyChange:
            guard let otherKey, otherKey.usage == .account, otherKey.state == .active else {
                throw CompositionError("newKey", "is not an active account key")
            }
            guard let account else { throw CompositionError("account", "is missing") }
            guard otherKey.directory?.origin == key.directory?.origin else {
                throw CompositionError("newKey", "is bound to another CA")
            }
            guard otherKey.publicKey != key.publicKey else { throw CompositionError("newKey", "is the key already in use") }
            let inner = KeyChange.innerSigningInput(newKey: otherKey.publicKey, oldKey: key.publicKey, account: account, url: url)
            return SigningPlan(
                SigningTask("key-change-inner", key: otherKey, bytes: inner.bytes), for: .innerKeyChange(inner, envelope))
        }
    }

    /// A plan for a certificate signing request outside an order.
    public static func certificateRequest(_ request: CertificateRequest, key: SigningKey) throws(CompositionError) -> SigningPlan {
        let pending = try pending(request, key)
        return SigningPlan(SigningTask("csr", key: key, bytes: pending.infoBytes), for: .csr(pending))
    }

    /// A plan for a TLS handshake signature; the content was parsed before.
    public static func handshake(_ handshake: HandshakeContent, key: SigningKey) throws(CompositionError) -> SigningPlan {
        SigningPlan(try handshake.task(for: key), for: .handshake)
    }

    private static func pending(_ request: CertificateRequest, _ key: SigningKey) throws(CompositionError) -> PendingCertificateRequest {
        guard key.usage == .certificate else { throw CompositionError("certificateKey", "is an account key (RFC 8555 section 11.1)") }
        guard key.state == .active else { throw CompositionError("certificateKey", "is retired") }
        do {
            try request.validate()
            return try PendingCertificateRequest(request, key: key)
        } catch let error as ACMERequestError {
            throw CompositionError(error.member, error.reason)
        } catch {
            throw CompositionError("identifiers", "cannot be put into a certificate signing request: \(error)")
        }
    }

    /// RFC 8555 §11.1: account keys sign account requests, certificate keys only their own revocation (§7.6).
    private static func checkUsage(of key: SigningKey, request: ACMERequest, account: ACMEURL?) throws(CompositionError) {
        let revokesByCertificateKey: Bool
        if case .revokeCertificate = request, account == nil { revokesByCertificateKey = true } else { revokesByCertificateKey = false }
        switch key.usage {
        case .certificate:
            guard revokesByCertificateKey else {
                throw CompositionError("key", "is a certificate key, which does not sign account requests (RFC 8555 section 11.1)")
            }
        case .account:
            guard !revokesByCertificateKey else {
                throw CompositionError("account", "is missing: an account key revokes in the name of its account (RFC 8555 section 7.6)")
            }
            guard key.state == .active else { throw CompositionError("key", "is retired") }
        }
        // §6.2: jwk for newAccount and for revocation by certificate key, kid for all else.
        if case .newAccount = request {
            guard account == nil else { throw CompositionError("account", "does not belong in a newAccount request") }
        } else if account == nil, !revokesByCertificateKey {
            throw CompositionError("account", "is missing")
        }
    }

    /// Two requests share the payload `{"status":"deactivated"}`, and an update is meant only for the account. The URL
    /// decides what the CA does, and the front end supplies it. Policy is the first line of defence: it grants an
    /// authorization's deactivation only together with the account's. This is the second: such a payload goes to no URL
    /// that a CA might take for the account's. Reading may go anywhere.
    private static func checkTarget(_ request: ACMERequest, url: ACMEURL, account: ACMEURL?) throws(CompositionError) {
        guard let account else { return }
        switch request {
        case .updateAccount, .deactivateAccount:
            guard url == account else { throw CompositionError("url", "must be the account's URL") }
        case .postAsGet: return
        case .deactivateAuthorization:
            guard !url.isNear(account: account) else {
                throw CompositionError("url", "must not be the account's URL or one next to it: the request could end the account there")
            }
        case .newAccount, .keyChange, .newOrder, .respondToChallenge, .finalize, .revokeCertificate:
            guard !url.isSameResource(as: account) else { throw CompositionError("url", "must not be the account's URL") }
        }
    }

    /// Takes the token's signature, already verified, and says what follows.
    public func resume(_ signature: [UInt8]) throws(CompositionError) -> Step {
        switch purpose {
        case .jws(let input, let certificateRequest):
            return .done(SignedMeaning(jws: input.flattened(signature: signature), certificateRequest: certificateRequest))
        case .innerKeyChange(let input, let envelope):
            return .sign(.message(envelope, payload: KeyChange.payload(inner: input.flattened(signature: signature))))
        case .csr(let pending): return .done(SignedMeaning(certificateRequest: try SigningPlan.complete(pending, signature)))
        case .finalization(let pending, let request, let envelope):
            let der = try SigningPlan.complete(pending, signature)
            return .sign(.message(envelope, payload: request.payload(csr: der), certificateRequest: der))
        case .handshake:
            guard let encoded = HandshakeContent.encode(signature, for: task.key) else {
                throw CompositionError("key", "returned a signature of the wrong length")
            }
            return .done(SignedMeaning(handshake: encoded))
        }
    }

    private static func complete(_ pending: PendingCertificateRequest, _ signature: [UInt8]) throws(CompositionError) -> [UInt8] {
        do { return try pending.complete(signature) } catch {
            throw CompositionError("certificateKey", "returned a signature that does not fit a certificate signing request: \(error)")
        }
    }
}
