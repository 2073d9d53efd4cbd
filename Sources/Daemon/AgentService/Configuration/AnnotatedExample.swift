import Glibc

/// The annotated configuration as it is installed, with every line commented out: the beginning of one's own.
enum AnnotatedExample {
    /// Where the packages and `make install` put it.
    private static let places = ["/usr", "/usr/local"].map { $0 + "/share/doc/acme-agentd/examples/acme-agentd.toml" }

    /// The command that makes it the configuration `file`; `nil` if it is not installed.
    static func command(writing file: String) -> String? {
        guard let example = places.first(where: { access($0, R_OK) == 0 }) else { return nil }
        return "cp --backup=numbered \(example) \(DaemonError.shellWord(file))"
    }
}
