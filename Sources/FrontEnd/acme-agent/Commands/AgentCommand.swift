import ArgumentParser

/// A command that does something, as opposed to a group of commands.
protocol AgentCommand: AsyncParsableCommand {
    static var stateUse: StateUse { get }
    var options: GlobalOptions { get }
    func run(_ session: Session) async throws -> ExitStatus
}

extension AgentCommand {
    static var stateUse: StateUse { .expected }
}
