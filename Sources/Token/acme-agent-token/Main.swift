import TokenHelper

@main
struct Main {
    static func main() {
        Helper.run(CommandLine.arguments)
    }
}
