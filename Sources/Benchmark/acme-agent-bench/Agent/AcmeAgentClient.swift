/// `acme-agent` with its daemon and helper.
final class AcmeAgentClient: IssuanceClient {
    let name = "acme-agent"
    private let agent: AgentUnderTest
    private let field: IssuanceField

    /// Registers an account, so that it exists for every issuance.
    init(agent: AgentUnderTest, field: IssuanceField) throws {
        self.agent = agent
        self.field = field
        try field.workshop.run(
            program(["--ca-certificate", field.trust.oneRoot]) + ["account", "register", "--agree-tos"], environment: [:])
    }

    /// Resident memory of daemon and helper, MB.
    var residentMemory: Double { Placement.residentMemory(agent.processes) }

    private func program(_ options: [String]) -> [String] {
        [
            field.workshop.programs + "/acme-agent", "--socket", agent.socket, "--directory", field.ca.directory, "--state-directory",
            agent.folder + "/certificates",
        ] + options
    }

    func issue(_ names: [String], trusting store: TrustStore) throws -> Issuance {
        try issue(names, trusting: store, timings: nil)
    }

    /// Renews a certificate from `issue`, with the same key.
    func renew(_ name: String) throws -> Issuance {
        try measured(["renew", name, "--force"], trusting: .oneRoot)
    }

    /// - Parameter timings: the file for the times of each step.
    func issue(_ names: [String], trusting store: TrustStore, timings: String?) throws -> Issuance {
        try measured(
            ["issue", "--webroot", field.webroot.folder] + (timings.map { ["--timings", $0] } ?? []) + names.flatMap { ["-d", $0] },
            trusting: store)
    }

    /// Runs a command; the CPU time is that of the front end, the daemon and the helper.
    private func measured(_ command: [String], trusting store: TrustStore) throws -> Issuance {
        let told = store == .oneRoot ? ["--ca-certificate", field.trust.oneRoot] : []
        let before = Clock.processor(agent.processes)
        let run = try field.run(program(told) + command, trusting: store, isTold: store == .oneRoot)
        return Issuance(wall: run.wall, cpu: run.cpu + Clock.processor(agent.processes) - before, memory: run.memory)
    }
}
