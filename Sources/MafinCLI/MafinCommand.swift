@main
struct MafinCommand {
    static func main() {}
}
