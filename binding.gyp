{
  "targets": [
    {
      "target_name": "moonwire_cmake",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": ["CMakeLists.txt"],
          "outputs": ["build/Release/moonwire.node"],
          "action": ["node", "scripts/build.mjs", "--native"],
          "message": "node-gyp only delegates to the CMake build"
        }
      ]
    }
  ]
}
