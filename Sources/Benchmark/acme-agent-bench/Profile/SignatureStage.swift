import Measurement

/// The stages that a signature's time is spent in, in the order of a request.
enum SignatureStage: String, CaseIterable {
    case client = "client"
    case callerSockets = "daemon: callers' sockets"
    case loop = "daemon: event loop"
    case frame = "daemon: frame and JSON"
    case request = "daemon: typed request"
    case policy = "daemon: policy"
    case audit = "daemon: audit trail"
    case composition = "daemon: composition"
    case verification = "daemon: verification"
    case pipeline = "daemon: pipeline"
    case link = "daemon: link to the helper"
    case helper = "helper: link and session"
    case token = "token (SoftHSM)"
    case idle = "idle and other processes"

    /// The processes that samples belong to.
    struct Processes {
        var client: Int32
        var daemon: Int32
        var helper: Int32
    }

    /// The stage of a sample: the innermost frame of a part that has its own stage decides.
    init(_ sample: StackProfile.Sample, _ processes: Processes) {
        switch sample.process {
        case processes.client: self = .client
        case processes.helper: self = SignatureStage.inHelper(sample.frames)
        case processes.daemon: self = SignatureStage.inDaemon(sample.frames)
        default: self = .idle
        }
    }

    /// The token's code has no frame pointers, so its caller is often unknown: the innermost meaningful frame decides.
    private static func inHelper(_ frames: [StackProfile.Frame]) -> SignatureStage {
        for frame in frames {
            if ["libsofthsm2", "libcrypto", "libstdc++"].contains(where: { frame.file.contains($0) }) { return .token }
            if frame.module != nil || frame.symbol.hasPrefix("swift_") { return .helper }
            if frame.symbol.hasPrefix("unix_stream_") || frame.symbol.hasPrefix("sock_") || frame.symbol.hasPrefix("futex_") {
                return .helper
            }
        }
        // malloc, file locks, and whatever else SoftHSM calls in the C library and the kernel.
        return .token
    }

    private static func inDaemon(_ frames: [StackProfile.Frame]) -> SignatureStage {
        var isSystemCall = false
        // Assembly, also without frame pointers. Apart from the hashes, only verification runs it.
        var isVerifying = frames.first.map { $0.symbol.contains("BoringSSL") && !$0.symbol.contains("sha") } ?? false
        for frame in frames {
            if frame.symbol.contains("ECDSA_verify") || frame.symbol.contains("RSA_verify") || frame.symbol.contains("isValidSignature") {
                isVerifying = true
            }
            if frame.symbol.hasPrefix("do_syscall_64") || frame.symbol.hasPrefix("el0_svc") { isSystemCall = true }
            switch frame.module {
            case "Varlink": return isSystemCall ? .callerSockets : .frame
            case "StrictJSON": return .frame
            case "AgentInterface", "ACME": return .request
            case "SigningPolicy": return .policy
            case "AuditTrail": return .audit
            case "Keyring", "JOSE": return isVerifying ? .verification : .composition
            case "TokenSupervisor", "TokenProtocol": return .link
            case "AgentService": return .pipeline
            default: continue
            }
        }
        if isVerifying || frames.first.map(isArithmetic) == true { return .verification }
        // Only NIO's own frames: reading, waiting, and the loop's bookkeeping.
        return isSystemCall ? .callerSockets : .loop
    }

    /// BoringSSL's arithmetic, assembly and C++: the daemon's only such code in the path of a signature.
    private static func isArithmetic(_ frame: StackProfile.Frame) -> Bool {
        guard frame.file.hasSuffix("/acme-agentd") else { return false }
        return !["$s", "swift", "_swift", "__swift", "c_nio", "CNIO"].contains { frame.symbol.hasPrefix($0) }
    }
}
