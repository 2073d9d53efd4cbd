/// What grows: keys in the token, connections, a slow token; and how fast everything starts.
final class ScalePart {
    private let workshop: Workshop

    init(_ workshop: Workshop) { self.workshop = workshop }

    func run(_ measure: (Plan) -> Void) throws { measure(Plan()) }
}
