// SPDX-License-Identifier: AGPL-3.0-only
pragma solidity ^0.8.24;

// OpenZeppelin's contracts are abstract: these add a name and a first holder, nothing else.

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC4626} from "@openzeppelin/contracts/token/ERC20/extensions/ERC4626.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

contract PeerToken is ERC20, ERC20Permit {
    constructor(uint256 supply) ERC20("Peer", "PEER") ERC20Permit("Peer") {
        _mint(msg.sender, supply);
    }

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }

    function burn(uint256 amount) external {
        _burn(msg.sender, amount);
    }
}

contract PeerVault is ERC4626 {
    constructor(IERC20 asset) ERC20("Peer vault", "vPEER") ERC4626(asset) {}
}
