extension Output {
    /// What the command line asks for.
    init(_ options: GlobalOptions) {
        self.init(json: options.json, verbosity: options.quiet ? .quiet : options.verbose ? .verbose : .normal)
        given.directory = options.directory
        let others = [
            ("--config", options.config), ("--socket", options.socket), ("--ca-certificate", options.caCertificate),
            ("--state-directory", options.stateDirectory),
        ]
        given.others = others.compactMap { name, value in value.map { (name, $0) } }
    }
}
