import ACME
import Foundation
import JOSE
import SigningPolicy
import StrictJSON
import Testing

import struct X509.CertificateSigningRequest

@testable import Keyring

/// Foundation has an `Operation` too.
private typealias Asked = ACME.Operation

/// What a signature can be used for depends on what is signed, because the caller supplies the URL. So the pairs of
/// operations that a CA may confuse are derived here from the signed bytes, and compared with the policy's table and
/// the document's.
@Suite struct SharedPayloadTests {
    private struct Signed {
        let operation: Asked
        let payload: [UInt8]
        /// Whether the protected header has `jwk` instead of `kid`.
        let hasKey: Bool
        let certificateRequest: [UInt8]?

        var object: JSONObject? { try? JSONDocument(parsing: payload).root.object() }
    }

    private struct Pair: Hashable, CustomStringConvertible {
        let signed: Asked
        let taken: Asked
        var description: String { "\(signed.rawValue) as \(taken.rawValue)" }
    }

    private let account: NamedKey
    private let next: NamedKey
    private let certificate: NamedKey

    init() throws {
        account = try NamedKey("account-1", .account)
        next = try NamedKey("account-2", .account)
        certificate = try NamedKey("web-1", .certificate)
    }

    private struct NamedKey {
        let software: SoftwareKey
        let key: SigningKey

        init(_ name: String, _ usage: KeyUsage) throws {
            software = try SoftwareKey.make(.p256)
            key = try software.signingKey(name, usage)
        }
    }

    /// Every form that each request has, as far as its members differ in kind.
    private func requests() throws -> [(ACMERequest, hasAccount: Bool)] {
        let names = [try Identifier(argument: "www.example.org")]
        var result: [(ACMERequest, hasAccount: Bool)] = []
        for contact in [[], ["mailto:a@example.org"]] {
            for agreed in [nil, true, false] as [Bool?] {
                for existing in [false, true] {
                    result.append(
                        (.newAccount(NewAccount(contact: contact, termsOfServiceAgreed: agreed, onlyReturnExisting: existing)), false))
                }
                // An empty one is not signed (with it, RFC 8555 §7.3.2 reads the account).
                if agreed != nil { result.append((.updateAccount(AccountUpdate(termsOfServiceAgreed: agreed)), true)) }
                result.append((.updateAccount(AccountUpdate(contact: contact, termsOfServiceAgreed: agreed)), true))
            }
        }
        for profile in [nil, "short"] {
            for replaces in [nil, "AAAA.BBBB"] {
                for before in [nil, "2026-01-01T00:00:00Z"] {
                    result.append(
                        (
                            .newOrder(NewOrder(identifiers: names, profile: profile, replaces: replaces, notBefore: before, notAfter: nil)),
                            true
                        ))
                }
            }
        }
        for reason in [nil, RevocationReason.keyCompromise] {
            for hasAccount in [true, false] {
                result.append((.revokeCertificate(Revocation(certificate: [0x30, 0], reason: reason)), hasAccount))
            }
        }
        for staple in [false, true] {
            result.append((.finalize(CertificateRequest(key: "web-1", identifiers: names, mustStaple: staple)), true))
        }
        result += [
            (.deactivateAccount, true), (.keyChange(newKey: "account-2"), true), (.postAsGet, true), (.respondToChallenge, true),
            (.deactivateAuthorization, true),
        ]
        return result
    }

    private func signed() throws -> [Signed] {
        let accountURL = try ACMEURL("https://ca.example/acct/1"), other = try ACMEURL("https://ca.example/other/1")
        return try requests().map { request, hasAccount in
            let own: NamedKey
            if case .revokeCertificate = request, !hasAccount { own = certificate } else { own = account }
            let url: ACMEURL
            switch request {
            case .updateAccount, .deactivateAccount: url = accountURL
            default: url = other
            }
            let second: SigningKey?
            switch request {
            case .finalize: second = certificate.key
            case .keyChange: second = next.key
            default: second = nil
            }
            var plan = try SigningPlan.plan(
                request, key: own.key, url: url, nonce: "bm9uY2U", account: hasAccount ? accountURL : nil, otherKey: second)
            while true {
                let signer = try #require([account, next, certificate].first { $0.key.name == plan.task.key.name })
                switch try plan.resume(try signer.software.sign(plan.task.input)) {
                case .sign(let following): plan = following
                case .done(let meaning):
                    let jws = try #require(meaning.jws)
                    let header = try JSONDocument(parsing: try #require(Base64URL.decode(jws.protected))).root.object()
                    let hasKey = header.optional("jwk") != nil
                    #expect(hasKey != (header.optional("kid") != nil))
                    return Signed(
                        operation: request.operation, payload: try #require(Base64URL.decode(jws.payload)), hasKey: hasKey,
                        certificateRequest: meaning.certificateRequest)
                }
            }
        }
    }

    /// Whether a CA that ignores unknown members (RFC 8555 §7.3, §7.3.2) can take the payload for a request of this
    /// kind. `nil` for operations that are not requests to a CA.
    private func canBeTaken(_ signed: Signed, for operation: Asked) -> Bool? {
        let object = signed.object
        func has(_ member: String) -> Bool { object?.optional(member) != nil }
        switch operation {
        case .newAccount: return object != nil
        case .updateAccount: return has("contact") || has("termsOfServiceAgreed")
        case .deactivateAccount, .deactivateAuthorization: return (try? object?.optionalString("status")) == "deactivated"
        case .keyChange: return has("protected") && has("payload") && has("signature")
        case .newOrder: return has("identifiers")
        case .postAsGet: return signed.payload.isEmpty
        // step-ca accepts an empty payload too.
        case .respondToChallenge: return object != nil || signed.payload.isEmpty
        case .finalize: return has("csr")
        case .revokeCertificate: return has("certificate")
        case .signRequest: return signed.certificateRequest != nil
        case .createKey, .adoptKey, .retireKey, .deleteKey, .listKeys, .signHandshake, .signClientHandshake, .signServerKeyExchange,
            .readAudit, .readMetrics:
            return nil
        }
    }

    private func derived() throws -> Set<Pair> {
        var pairs: Set<Pair> = []
        for signed in try signed() {
            for operation in Asked.allCases where operation != signed.operation {
                if canBeTaken(signed, for: operation) == true { pairs.insert(Pair(signed: signed.operation, taken: operation)) }
            }
        }
        // By TLS's grammar alone, every kind of content against every other.
        for (message, contents) in try handshakes() {
            for content in contents {
                for other in HandshakeMessage.allCases where other != message {
                    if isForm(content, of: other) { pairs.insert(Pair(signed: message.operation, taken: other.operation)) }
                }
                if isCertificateRequest(content) { pairs.insert(Pair(signed: message.operation, taken: .signRequest)) }
                // Printable throughout, as a JWS is before it is signed (RFC 7515 §5.1).
                if content.allSatisfy({ (0x21...0x7E).contains($0) }) {
                    pairs.insert(Pair(signed: message.operation, taken: .newAccount))
                }
            }
        }
        return pairs
    }

    /// Contents of each handshake, with those that a caller builds to have a second meaning.
    private func handshakes() throws -> [(HandshakeMessage, [[UInt8]])] {
        let ambiguous = ServerKeyExchangeTests.ambiguousContent(try SoftwareKey.make(.ed25519).spki)
        return [
            (.serverCertificateVerify, [32, 48].map { HandshakeTests.content(hash: $0) }),
            (.clientCertificateVerify, [32, 48].map { HandshakeTests.content(context: HandshakeTests.clientContext, hash: $0) }),
            (.serverKeyExchange, ServerKeyExchangeTests.Curve.allCases.map { ServerKeyExchangeTests.content($0) } + [ambiguous]),
        ]
    }

    /// Whether some scheme makes the content the message's.
    private func isForm(_ content: [UInt8], of message: HandshakeMessage) -> Bool {
        TLSSignatureScheme.allCases.contains { (try? HandshakeContent(message, content: content, scheme: $0.rawValue)) != nil }
    }

    /// Whether the content is a CertificationRequestInfo (RFC 2986 §4.1): completed with any signature, it can be read.
    private func isCertificateRequest(_ content: [UInt8]) -> Bool {
        let signature: [UInt8] = [0x30, 0x05, 0x06, 0x03, 0x2B, 0x65, 0x70, 0x03, 0x41, 0x00] + [UInt8](repeating: 1, count: 64)
        let length = content.count + signature.count
        guard let low = UInt8(exactly: length % 256), length >= 128 else { return false }
        let head: [UInt8] = length < 256 ? [0x30, 0x81, low] : [0x30, 0x82, 1, low]
        return (try? CertificateSigningRequest(derEncoded: head + content + signature)) != nil
    }

    @Test func aHandshakeIsOneMessageOnly() throws {
        let url = try ACMEURL("https://ca.example/other/1")
        let jws = SigningPlan.Envelope(key: account.key, url: url, nonce: "bm9uY2U", account: url).signingInput(payload: []).bytes
        let request = CertificateRequest(key: "web-1", identifiers: [try Identifier(argument: "www.example.org")])
        let info = try PendingCertificateRequest(request, key: certificate.key).infoBytes
        let others = try handshakes()
        for message in HandshakeMessage.allCases {
            #expect(!isForm(jws, of: message) && !isForm(info, of: message))
            for (other, contents) in others where other != message {
                #expect(contents.allSatisfy { !isForm($0, of: message) }, "\(other.operation.rawValue) as \(message.operation.rawValue)")
            }
        }
        // What the table says is refused, is.
        #expect(isCertificateRequest(info))
        for (message, contents) in others {
            for content in contents where isCertificateRequest(content) {
                #expect(!isForm(content, of: message))
                #expect(
                    SharedPayload.all.contains { $0.signed == message.operation && $0.taken == .signRequest && $0.consequence == .refused })
            }
        }
    }

    @Test func everyPairOfOperationsWhosePayloadsCoincideIsInThePolicysTable() throws {
        let signed = try signed()
        // Each operation at a CA is among the requests, and matches itself.
        for operation in Asked.allCases {
            let own = signed.filter { $0.operation == operation }
            #expect(own.isEmpty == (canBeTaken(signed[0], for: operation) == nil || operation == .signRequest), "\(operation)")
            #expect(own.allSatisfy { canBeTaken($0, for: operation) == true }, "\(operation)")
        }
        let table = Set(SharedPayload.all.map { Pair(signed: $0.signed, taken: $0.taken) })
        #expect(table.count == SharedPayload.all.count)
        #expect(try derived().subtracting(table).isEmpty)
        #expect(try table.subtracting(derived()).isEmpty)
        // Identical payloads under the same kind of header: the stronger operation decides.
        for one in signed {
            for other in signed where one.operation != other.operation && one.payload == other.payload && one.hasKey == other.hasKey {
                let pair = Pair(signed: one.operation, taken: other.operation)
                #expect(Set([pair.signed, pair.taken]) == [.deactivateAccount, .deactivateAuthorization], "\(pair)")
            }
        }
    }

    @Test func whatTheTableKeepsApartDiffersInTheProtectedHeader() throws {
        let signed = try signed()
        let kinds = Dictionary(grouping: signed, by: \.operation).mapValues { Set($0.map(\.hasKey)) }
        for pair in SharedPayload.all where pair.consequence == .keptApart {
            let one = try #require(kinds[pair.signed]), other = try #require(kinds[pair.taken])
            #expect(one.isDisjoint(with: other), "\(pair)")
        }
    }

    @Test func whatIsSignedForOneKindOfMeaningCannotBeReadAsAnother() throws {
        // A JWS begins with its header in base64url, a CSR with a SEQUENCE, a handshake of TLS 1.3 with 64 spaces.
        let url = try ACMEURL("https://ca.example/other/1")
        let jws = SigningPlan.Envelope(key: account.key, url: url, nonce: "bm9uY2U", account: url).signingInput(payload: []).bytes
        #expect(jws.starts(with: "eyJ".utf8))
        for signed in try signed() { #expect(signed.certificateRequest.map { $0.first == 0x30 } ?? true) }
        #expect(HandshakeTests.content(hash: 32).first == 0x20)
    }

    /// Rows of the table: the signed operations, the operations they may be taken for, and the consequence.
    @Test func theDocumentHasTheSameTable() throws {
        let path =
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().path + "/Docs/threat-model.md"
        let text = try String(contentsOfFile: path, encoding: .utf8)
        let section = try #require(text.components(separatedBy: "## Payloads that coincide\n").dropFirst().first)
            .components(separatedBy: "\n## ")[0]
        var document: [Pair: SharedPayload.Consequence] = [:]
        for line in section.split(separator: "\n") where line.hasPrefix("| `") {
            let cells = line.split(separator: "|", omittingEmptySubsequences: false).map(String.init)
            try #require(cells.count == 7, "\(line)")
            func operations(_ cell: String) throws -> [Asked] {
                try cell.split(separator: "`", omittingEmptySubsequences: false).enumerated().filter { $0.offset % 2 == 1 }
                    .map { try #require(Asked(rawValue: String($0.element)), "\($0.element)") }
            }
            let consequence: SharedPayload.Consequence
            switch cells[5].trimmingCharacters(in: .whitespaces) {
            case "granted together": consequence = .grantedTogether
            case "no stronger": consequence = .noStronger
            case "kept apart": consequence = .keptApart
            case "refused": consequence = .refused
            default:
                Issue.record("\(line)")
                continue
            }
            for signed in try operations(cells[1]) {
                for taken in try operations(cells[2]) {
                    #expect(
                        document.updateValue(consequence, forKey: Pair(signed: signed, taken: taken)) == nil, "\(signed) \(taken) twice")
                }
            }
        }
        let table = Dictionary(uniqueKeysWithValues: SharedPayload.all.map { (Pair(signed: $0.signed, taken: $0.taken), $0.consequence) })
        #expect(document == table)
    }
}
