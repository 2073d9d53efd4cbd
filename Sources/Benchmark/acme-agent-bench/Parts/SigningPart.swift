import COpenSSL
import Glibc
import JOSE
import PKCS11

/// Signatures over the socket, compared with OpenSSL and SoftHSM in process, p11-kit's server, ssh-agent and a bare
/// socket.
final class SigningPart {
    private let workshop: Workshop
    private var ends: [() -> Void] = []
    /// Seconds that one probe takes.
    private let seconds = 0.6

    init(_ workshop: Workshop) { self.workshop = workshop }

    func run(_ measure: (Plan) -> Void) throws {
        defer { for end in ends.reversed() { end() } }
        var plan = Plan()
        let reference = try BenchToken(folder: workshop.folder + "/reference", workshop: workshop)
        for (name, value) in reference.environment { setenv(name, value, 1) }
        let softHSM = try ModulePeer(path: try BenchToken.module(), uri: reference.uri, pinFile: reference.pinFile)
        try softHSM.makeKey(.p256, label: "p256")
        try softHSM.makeKey(.p384, label: "p384")
        try softHSM.makeKey(.rsa(bits: 2048), label: "rsa2048")

        let unverified = try agent("agent-unverified", verifiesAll: false)
        let verified = try agent("agent-verified", verifiesAll: true)
        var settings = AgentUnderTest.Settings()
        settings.verifiesAll = false
        settings.program = [workshop.bench, "unrecorded-daemon"]
        let unrecorded = try agent("agent-unrecorded", settings)

        // One connection: every placement of every peer, next to each other.
        for placement in [Placement.free, .oneCPU] {
            let at = placement == .free ? "" : ".pinned", shown = placement == .free ? "" : ", one CPU"
            plan.probe("SoftHSM in process, 1 thread\(shown)") { [seconds] in
                try placement.during([]) {
                    try softHSM.load(label: "p256", .ecdsa, input: 32, threads: 1, seconds: seconds)
                }.figures("softhsm.1" + at)
            }
            let bare = try BareSocketPeer(folder: workshop.folder, program: workshop.bench, name: "bare\(at)")
            ends.append { bare.stop() }
            plan.probe("bare socket\(shown)") { [seconds] in
                try bare.load(seconds: seconds / 2, placement: placement).figures("bare" + at)
            }
            for (name, agent) in [("unverified", unverified), ("verified", verified)] {
                plan.probe("agent, \(name), 1 connection\(shown)") { [seconds] in
                    try agent.load(key: "p256", connections: 1, seconds: seconds, placement: placement).figures("\(name).1" + at)
                }
            }
            plan.probe("agent, new order, 1 connection\(shown)") { [seconds] in
                try unverified.load(.newOrder, key: "p256", connections: 1, seconds: seconds, placement: placement)
                    .figures("order.1" + at)
            }
        }
        plan.probe("fdatasync") { [workshop] in try DiskPeer(folder: workshop.folder).figures("fdatasync") }
        let openSSL = try OpenSSLPeer(curve: NID_X9_62_prime256v1)
        plan.probe("OpenSSL in process") { [seconds] in try openSSL.load(threads: 1, seconds: seconds / 2).figures("openssl.1") }
        for threads in [2, 4, 8] {
            plan.probe("SoftHSM in process, \(threads) threads") { [seconds] in
                try softHSM.load(label: "p256", .ecdsa, input: 32, threads: threads, seconds: seconds).figures("softhsm.\(threads)")
            }
        }
        for connections in [8, 64, 1_000] {
            for (name, agent) in [("unverified", unverified), ("verified", verified)] {
                plan.probe("agent, \(name), \(connections) connections") { [seconds] in
                    try agent.load(key: "p256", connections: connections, seconds: seconds).figures("\(name).\(connections)")
                }
            }
        }
        plan.probe("agent without audit trail, 64 connections") { [seconds] in
            try unrecorded.load(key: "p256", connections: 64, seconds: seconds).figures("unrecorded.64")
        }
        plan.probe("agent, unverified, 64 connections, again") { [seconds] in
            try unverified.load(key: "p256", connections: 64, seconds: seconds).figures("recorded.64")
        }
        plan.probe("agent, new order, 64 connections") { [seconds] in
            try unverified.load(.newOrder, key: "p256", connections: 64, seconds: seconds).figures("order.64")
        }
        for (key, scheme, input) in [("p384", SignatureScheme.ecdsa, 48), ("rsa2048", .rsaPKCS1(.sha256), 32)] {
            plan.probe("SoftHSM in process, \(key), 8 threads") { [seconds] in
                try softHSM.load(label: key, scheme, input: input, threads: 8, seconds: seconds).figures("softhsm.\(key).8")
            }
            for (name, agent) in [("unverified", unverified), ("verified", verified)] {
                plan.probe("agent, \(name), \(key), 8 connections") { [seconds] in
                    try agent.load(key: key, connections: 8, seconds: seconds).figures("\(name).\(key).8")
                }
            }
        }
        peers(&plan, reference)
        allocations(&plan)
        claims(&plan)
        measure(plan)
    }

    private func agent(_ name: String, verifiesAll: Bool) throws -> AgentUnderTest {
        var settings = AgentUnderTest.Settings()
        settings.verifiesAll = verifiesAll
        return try agent(name, settings)
    }

    private func agent(_ name: String, _ settings: AgentUnderTest.Settings) throws -> AgentUnderTest {
        let agent = try AgentUnderTest(name, settings, workshop: workshop)
        ends.append { agent.stop() }
        try agent.makeKey("p256", .p256)
        try agent.makeKey("p384", .p384)
        try agent.makeKey("rsa2048", .rsa2048)
        return agent
    }

    /// The peers that are other programs, if this machine has them.
    private func peers(_ plan: inout Plan, _ token: BenchToken) {
        let environment = workshop.environment.merging(token.environment) { $1 }
        plan.optional("p11-kit server") { plan in
            let server = try PKCS11ServerPeer(
                folder: workshop.folder + "/p11-kit", module: try BenchToken.module(), uri: token.uri, pinFile: token.pinFile,
                environment: environment)
            ends.append { server.stop() }
            for threads in [1, 2, 8] {
                plan.probe("p11-kit server, \(threads) threads") { [seconds] in
                    try server.client.load(label: "p256", .ecdsa, input: 32, threads: threads, seconds: seconds)
                        .figures("p11kit.\(threads)")
                }
            }
            plan.probe("p11-kit server, 1 thread, one CPU") { [seconds] in
                try Placement.oneCPU.during(server.processes) {
                    try server.client.load(label: "p256", .ecdsa, input: 32, threads: 1, seconds: seconds)
                }.figures("p11kit.1.pinned")
            }
        }
        plan.optional("ssh-agent, PKCS#11 key") { plan in
            let agent = try SSHAgentPeer(
                .token(module: try BenchToken.module(), pin: token.pin), folder: workshop.folder + "/ssh-token", environment: environment)
            ends.append { agent.stop() }
            for connections in [1, 8] {
                plan.probe("ssh-agent, PKCS#11 key, \(connections) connections") { [seconds] in
                    try agent.load(connections: connections, seconds: seconds / 2).figures("sshtoken.\(connections)")
                }
            }
        }
        plan.optional("ssh-agent, key in a file") { plan in
            let path = workshop.folder + "/ssh-key"
            try workshop.run(["ssh-keygen", "-q", "-t", "ecdsa", "-b", "256", "-N", "", "-f", path])
            let agent = try SSHAgentPeer(.file(path), folder: workshop.folder + "/ssh-file", environment: environment)
            ends.append { agent.stop() }
            for connections in [1, 8] {
                plan.probe("ssh-agent, key in a file, \(connections) connections") { [seconds] in
                    try agent.load(connections: connections, seconds: seconds / 2).figures("sshfile.\(connections)")
                }
            }
        }
    }

    /// Heap allocations of the daemon, counted by a library that is loaded before the C library.
    private func allocations(_ plan: inout Plan) {
        plan.optional("heap allocations") { plan in
            let counter = try AllocationCounter(workshop: workshop)
            for (name, verifiesAll) in [("unverified", false), ("verified", true)] {
                var settings = AgentUnderTest.Settings()
                settings.verifiesAll = verifiesAll
                settings.environment = counter.environment(name)
                let agent = try agent("agent-counted-\(name)", settings)
                plan.probe("heap allocations, \(name), 64 connections") {
                    func count(_ seconds: Double) throws -> (allocations: Double, signatures: Double) {
                        let before = try counter.count(name), first = try agent.signatures()
                        _ = try agent.load(key: "p256", connections: 64, seconds: seconds)
                        return (Double(try counter.count(name) - before), Double(try agent.signatures() - first))
                    }
                    // Both open 64 connections, so they differ only in signatures.
                    let short = try count(0.1), long = try count(0.5)
                    guard long.signatures > short.signatures else { throw BenchError("nothing was signed") }
                    return ["allocations.\(name)": (long.allocations - short.allocations) / (long.signatures - short.signatures)]
                }
            }
        }
    }
}
