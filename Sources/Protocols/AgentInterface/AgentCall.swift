import ACME
import JOSE
import StrictJSON

/// A request to sign one ACME message: the key, the URL and the content.
public struct SigningCall: Sendable {
    /// The signing key's name: an account key, or, for a revocation without `account`, the certificate's own key.
    public var key: KeyName
    public var url: ACMEURL
    public var nonce: String
    /// The account's URL, which becomes the JWS's `kid`; `nil` if RFC 8555 §6.2 requires a `jwk`.
    public var account: ACMEURL?
    public var request: ACMERequest

    public init(key: KeyName, url: ACMEURL, nonce: String, account: ACMEURL?, request: ACMERequest) {
        self.key = key
        self.url = url
        self.nonce = nonce
        self.account = account
        self.request = request
    }
}

/// A request to make a key in a token, or to adopt an existing one (`uri`).
public struct KeyCreation: Sendable {
    public var name: KeyName
    public var usage: KeyUsage
    /// `nil` for an adopted key, which already has its algorithm.
    public var algorithm: KeyAlgorithm?
    /// RFC 7512 URI of a key that is already in the token.
    public var uri: String?
    public var directory: ACMEURL?
    /// The configured token's name; `nil` means the first one.
    public var token: String?
    /// Whether to adopt a key even though it can be taken out of its token or do more than sign.
    public var acceptWeak: Bool

    public init(
        name: KeyName, usage: KeyUsage, algorithm: KeyAlgorithm?, uri: String?, directory: ACMEURL?, token: String?,
        acceptWeak: Bool = false
    ) {
        self.name = name
        self.usage = usage
        self.algorithm = algorithm
        self.uri = uri
        self.directory = directory
        self.token = token
        self.acceptWeak = acceptWeak
    }
}

/// A call of the agent's interface as a closed type: nothing else can be asked.
public enum AgentCall: Sendable {
    case getStatus
    case listKeys
    case describeKey(name: KeyName)
    case createKey(KeyCreation)
    case adoptKey(KeyCreation)
    case retireKey(name: KeyName)
    case deleteKey(name: KeyName)
    case sign(SigningCall)
    case signCertificateRequest(CertificateRequest)
    case signHandshake(HandshakeMessage, key: KeyName, content: [UInt8], scheme: String)
    case readAudit(last: Int)
    case readMetrics
    case explainDecision(DecisionQuestion)
    case listGrants

    /// Names of the methods that the agent implements.
    public static let methods: [String] = [
        "GetStatus", "ListKeys", "DescribeKey", "CreateKey", "AdoptKey", "RetireKey", "DeleteKey", "SignNewAccount", "SignAccountUpdate",
        "SignAccountDeactivation", "SignKeyChange", "SignNewOrder", "SignPostAsGet", "SignChallengeResponse",
        "SignAuthorizationDeactivation", "SignFinalize", "SignRevocation", "SignCertificateRequest", "SignHandshake",
        "SignClientHandshake", "SignServerKeyExchange", "ReadAudit", "ReadMetrics", "ExplainDecision", "ListGrants",
    ]

    /// The call's method, without the interface's name.
    public var method: String {
        switch self {
        case .getStatus: "GetStatus"
        case .listKeys: "ListKeys"
        case .describeKey: "DescribeKey"
        case .createKey: "CreateKey"
        case .adoptKey: "AdoptKey"
        case .retireKey: "RetireKey"
        case .deleteKey: "DeleteKey"
        case .sign(let call):
            switch call.request {
            case .newAccount: "SignNewAccount"
            case .updateAccount: "SignAccountUpdate"
            case .deactivateAccount: "SignAccountDeactivation"
            case .keyChange: "SignKeyChange"
            case .newOrder: "SignNewOrder"
            case .postAsGet: "SignPostAsGet"
            case .respondToChallenge: "SignChallengeResponse"
            case .deactivateAuthorization: "SignAuthorizationDeactivation"
            case .finalize: "SignFinalize"
            case .revokeCertificate: "SignRevocation"
            }
        case .signCertificateRequest: "SignCertificateRequest"
        case .signHandshake(.serverCertificateVerify, _, _, _): "SignHandshake"
        case .signHandshake(.clientCertificateVerify, _, _, _): "SignClientHandshake"
        case .signHandshake(.serverKeyExchange, _, _, _): "SignServerKeyExchange"
        case .readAudit: "ReadAudit"
        case .readMetrics: "ReadMetrics"
        case .explainDecision: "ExplainDecision"
        case .listGrants: "ListGrants"
        }
    }
}
