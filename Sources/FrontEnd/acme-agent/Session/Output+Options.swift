extension Output {
    /// What the command line asks for.
    init(_ options: GlobalOptions) {
        self.init(json: options.json, verbosity: options.quiet ? .quiet : options.verbose ? .verbose : .normal)
        givenDirectory = options.directory
    }
}
